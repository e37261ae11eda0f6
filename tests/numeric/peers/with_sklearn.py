"""scikit-learn's MLPClassifier. It knows no L1: the penalty is its own L2 of the same coefficient, which costs it less."""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import sklearn.neural_network
import trainer

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


class Peer:
    def __init__(self, _, settings, data):
        if settings.dropout:
            raise SystemExit("MLPClassifier knows no dropout")
        self.data = data
        self.model = sklearn.neural_network.MLPClassifier(
            settings.hidden,
            activation=ACTIVATIONS[settings.activation],
            solver="adam",
            alpha=settings.l1,
            batch_size=settings.batch,
            learning_rate_init=trainer.LEARNING_RATE,
            beta_1=trainer.BETA_1,
            beta_2=trainer.BETA_2,
            epsilon=trainer.EPSILON,
            random_state=0,
        )

    def epoch(self):
        # One call is one pass over all samples in batches, in a new order.
        self.model.partial_fit(self.data.x, self.data.y, classes=range(trainer.CLASSES))
        likely = self.model.predict_proba(self.data.validation_x)
        of_label = likely[np.arange(len(likely)), self.data.validation_y]
        return self.model.loss_, -np.mean(np.log(np.maximum(of_label, 1e-30)))


if __name__ == "__main__":
    trainer.main(Peer)
