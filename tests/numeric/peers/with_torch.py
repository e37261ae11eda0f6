"""PyTorch, eager or with the loss of a batch and its gradient compiled; fused Adam."""

import torch
import trainer

ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}
VALIDATION_BATCH = 1000


def network(settings):
    layers = []
    for inputs, units in zip(settings.sizes(), settings.sizes()[1:]):
        dense = torch.nn.Linear(inputs, units)
        torch.nn.init.xavier_uniform_(dense.weight)
        torch.nn.init.zeros_(dense.bias)
        layers += [dense, ACTIVATIONS[settings.activation]()]
        if settings.dropout:
            layers.append(torch.nn.Dropout(settings.dropout))
    return torch.nn.Sequential(*layers[: -2 if settings.dropout else -1])


class Peer:
    def __init__(self, arguments, settings, data):
        torch.manual_seed(0)
        torch.set_num_threads(1)
        self.settings, self.model = settings, network(settings)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=trainer.LEARNING_RATE,
            betas=(trainer.BETA_1, trainer.BETA_2),
            eps=trainer.EPSILON,
            fused=True,
        )
        self.x, self.validation_x = torch.from_numpy(data.x), torch.from_numpy(data.validation_x)
        self.y, self.validation_y = torch.from_numpy(data.y).long(), torch.from_numpy(data.validation_y).long()
        self.objective = torch.compile(self.objective) if arguments.compiled else self.objective
        self.cross_entropy = torch.compile(self.cross_entropy) if arguments.compiled else self.cross_entropy

    def cross_entropy(self, x, y):
        return torch.nn.functional.cross_entropy(self.model(x), y)

    def objective(self, x, y):
        loss = torch.nn.functional.cross_entropy(self.model(x), y)
        if self.settings.l1:
            kernels = [layer.weight for layer in self.model if isinstance(layer, torch.nn.Linear)]
            loss = loss + self.settings.l1 * sum(kernel.abs().sum() for kernel in kernels)
        return loss

    def epoch(self):
        self.model.train()
        total = torch.zeros(())
        batches = torch.randperm(len(self.x)).split(self.settings.batch)
        for order in batches:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.objective(self.x[order], self.y[order])
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return total / len(batches), self.validate()

    @torch.no_grad()
    def validate(self):
        self.model.eval()
        passes = zip(self.validation_x.split(VALIDATION_BATCH), self.validation_y.split(VALIDATION_BATCH))
        losses = [self.cross_entropy(x, y) for x, y in passes]
        return sum(losses) / len(losses)


if __name__ == "__main__":
    trainer.main(Peer, [("--compiled", {"action": "store_true"})])
