"""JAX: a whole epoch with its validation pass is one compiled function, whose state is handed on without a copy."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import functools

import jax
import jax.numpy as jnp
import trainer
from trainer import BETA_1, BETA_2, EPSILON, LEARNING_RATE

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
VALIDATION_BATCH = 1000


def glorot_uniform(key, inputs, units):
    limit = (6 / (inputs + units)) ** 0.5
    return jax.random.uniform(key, (inputs, units), jnp.float32, -limit, limit)


def forward(weights, x, settings, key=None):
    """Returns the logits; drops units where a key is given."""
    for index, (kernel, bias) in enumerate(weights[:-1]):
        x = ACTIVATIONS[settings.activation](x @ kernel + bias)
        if key is not None:
            keep = 1 - settings.dropout
            x = jnp.where(jax.random.bernoulli(jax.random.fold_in(key, index), keep, x.shape), x / keep, 0)
    kernel, bias = weights[-1]
    return x @ kernel + bias


def cross_entropy(logits, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))


def step(settings, carry, batch):
    (weights, first, second, count), (x, y, key) = carry, batch

    def objective(weights):
        penalty = sum(jnp.sum(jnp.abs(kernel)) for kernel, _ in weights) * settings.l1 if settings.l1 else 0.0
        return cross_entropy(forward(weights, x, settings, key if settings.dropout else None), y) + penalty

    value, gradient = jax.value_and_grad(objective)(weights)
    count = count + 1
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    average = lambda beta: lambda moment, new: beta * moment + (1 - beta) * new
    first = jax.tree.map(average(BETA_1), first, gradient)
    second = jax.tree.map(average(BETA_2), second, jax.tree.map(jnp.square, gradient))
    move = lambda weight, m, v: weight - rate * m / (jnp.sqrt(v) + EPSILON)
    return (jax.tree.map(move, weights, first, second), first, second, count), value


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def epoch(settings, state, key, x, y, validation_x, validation_y):
    order = jax.random.permutation(key, len(x)).reshape(-1, settings.batch)
    one = lambda carry, of: step(settings, carry, (x[of[0]], y[of[0]], of[1]))
    state, objectives = jax.lax.scan(one, state, (order, jax.random.split(key, len(order))))
    passes = (validation_x.reshape(-1, VALIDATION_BATCH, x.shape[1]), validation_y.reshape(-1, VALIDATION_BATCH))
    validate = lambda _, of: (None, cross_entropy(forward(state[0], of[0], settings), of[1]))
    return state, jnp.mean(objectives), jnp.mean(jax.lax.scan(validate, None, passes)[1])


class Peer:
    def __init__(self, _, settings, data):
        # A static argument of a compiled function must be hashable.
        self.settings = Hashable(settings)
        self.key = jax.random.key(0)
        shapes = list(zip(settings.sizes(), settings.sizes()[1:]))
        keys = jax.random.split(self.key, len(shapes))
        weights = [(glorot_uniform(key, *shape), jnp.zeros(shape[1])) for key, shape in zip(keys, shapes)]
        zeros = lambda: jax.tree.map(jnp.zeros_like, weights)
        self.state = (weights, zeros(), zeros(), jnp.float32(0))
        self.data = [jnp.asarray(part) for part in (data.x, data.y, data.validation_x, data.validation_y)]

    def epoch(self):
        self.key, key = jax.random.split(self.key)
        self.state, objective, validation_loss = epoch(self.settings, self.state, key, *self.data)
        return objective.block_until_ready(), validation_loss


class Hashable:
    """Settings that compare by identity."""

    def __init__(self, settings):
        self.__dict__.update(settings.__dict__)


if __name__ == "__main__":
    trainer.main(Peer)
