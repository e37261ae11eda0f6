"""Keras on TensorFlow or on JAX: one long `fit`, with what it chooses by itself left as it is.

Its metrics are those of the protocol, which the engine computes too: cross-entropy without penalty and accuracy, of the training
and of the validation part. `--bare` leaves them away, for what they cost. TensorFlow makes a thread for each core of the machine, pinned or
not, unless it is told to make one: `--threads 1`.
"""

import os
import sys

BACKEND = sys.argv[sys.argv.index("--backend") + 1] if "--backend" in sys.argv else "tensorflow"
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import threading

import keras
import trainer

EPOCHS_MOST = 1_000_000


def network(settings):
    penalty = lambda: keras.regularizers.L1(settings.l1) if settings.l1 else None
    layers = [keras.Input((trainer.INPUTS,))]
    for units in settings.hidden:
        layers.append(keras.layers.Dense(units, activation=settings.activation, kernel_regularizer=penalty()))
        if settings.dropout:
            layers.append(keras.layers.Dropout(settings.dropout))
    return keras.Sequential([*layers, keras.layers.Dense(trainer.CLASSES, kernel_regularizer=penalty())])


def metrics():
    return [keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy", from_logits=True), "accuracy"]


class Turns(keras.callbacks.Callback):
    """Holds `fit` back before every epoch until it is asked for."""

    def __init__(self):
        super().__init__()
        self.asked, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.logs = {}

    def on_epoch_begin(self, epoch, logs=None):
        self.asked.acquire()

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs)
        self.done.release()


class Peer:
    def __init__(self, arguments, settings, data):
        if BACKEND == "tensorflow" and arguments.threads:
            import tensorflow

            tensorflow.config.threading.set_intra_op_parallelism_threads(arguments.threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(arguments.threads)
        keras.utils.set_random_seed(0)
        self.model, self.turns = network(settings), Turns()
        self.model.compile(
            optimizer=keras.optimizers.Adam(
                trainer.LEARNING_RATE, beta_1=trainer.BETA_1, beta_2=trainer.BETA_2, epsilon=trainer.EPSILON
            ),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[] if arguments.bare else metrics(),
        )
        fit = lambda: self.model.fit(
            data.x,
            data.y,
            validation_data=(data.validation_x, data.validation_y),
            batch_size=settings.batch,
            epochs=EPOCHS_MOST,
            verbose=0,
            callbacks=[self.turns],
        )
        # A fit for each epoch would prepare its data anew each time.
        threading.Thread(target=fit, daemon=True).start()

    def epoch(self):
        self.turns.asked.release()
        self.turns.done.acquire()
        return self.turns.logs["loss"], self.turns.logs.get("val_cross_entropy", self.turns.logs["val_loss"])


if __name__ == "__main__":
    backend = {"choices": ["tensorflow", "jax"], "default": "tensorflow"}
    threads = {"type": int, "default": 0}
    trainer.main(Peer, [("--backend", backend), ("--threads", threads), ("--bare", {"action": "store_true"})])
