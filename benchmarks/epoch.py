"""Times an epoch of `mlp_128` at batch 128, ours against `Model.fit`, alternately in one process.

    python benchmarks/epoch.py --data-dir DIR                 # writes benchmarks/results/epoch.csv

Both train the same net on the same 60,000 images; `fit` gets float32 arrays in memory, its fastest documented way in,
and shuffles them as it does by default. One epoch of each goes before, so that tracing is not in the times; the first
epochs, tracing included, are given apart.
"""

import argparse
import csv
import statistics
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "epoch.csv"
BATCH_SIZE = 128
REPEATS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="directory with MNIST's files")
    data_dir = parser.parse_args().data_dir

    import tensorflow as tf

    from mnist_keras import create_model, get_model_spec, load_data
    from mnist_keras.distribution import choose_jit
    from mnist_keras.loop import TrainingLoop
    from mnist_keras.pipeline import make_batch_source
    from mnist_keras.recipes import compile_model

    data = load_data("mnist", data_dir=data_dir)
    recipe = get_model_spec("mlp_128").recipe.replace(batch_size=BATCH_SIZE)
    ours, theirs = create_model("mlp_128"), create_model("mlp_128")
    compile_model(ours, recipe, 1)
    theirs.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    source = make_batch_source(data.train_images, data.train_labels, batch_size=BATCH_SIZE)
    jit = choose_jit("auto", ours, num_replicas=1)
    loop = TrainingLoop(ours, tf.distribute.get_strategy(), source, seed=0, jit=jit)
    images = data.train_images[..., None].astype("float32") / 255

    def our_epoch(number):
        loop.run(number)  # of this many epochs, all but the last are done

    def their_epoch(number):
        theirs.fit(images, data.train_labels, batch_size=BATCH_SIZE, epochs=1, verbose=0)

    seconds = {"train": [], "fit": []}
    for number in range(1, REPEATS + 2):
        for name, epoch in (("train", our_epoch), ("fit", their_epoch)):
            start = time.perf_counter()
            epoch(number)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["loop", "first_epoch_seconds", "epoch_seconds", "ratio_to_fit"])
        for name, times in seconds.items():
            ratio = medians[name] / medians["fit"]
            writer.writerow([name, f"{times[0]:.2f}", f"{medians[name]:.3f}", f"{ratio:.3f}"])
    print(RESULTS.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
