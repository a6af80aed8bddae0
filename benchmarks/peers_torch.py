"""Trains with PyTorch: three of the registered models in plain loops, and PyTorch's own MNIST example.

torchvision is not needed: the steps of its MNIST dataset and of the two transforms are written out here.
"""

import itertools
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, default_collate
from turns import Trainer

MEAN, DEVIATION, TEST_BATCH_SIZE = (0.1307,), (0.3081,), 1000  # of the example
PRODUCT = torch.matmul, torch.randn


def make_mlp(*widths: int) -> nn.Module:
    layers = [x for pair in itertools.pairwise(widths) for x in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def make_cnn_2conv() -> nn.Module:
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()]
    return nn.Sequential(*convolutions, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12 * 12 * 32, 10))


def as_input(images):
    return torch.tensor(images).float().div(255).unsqueeze(1)


def train_epoch(model: nn.Module, optimizer, loss, batches) -> None:
    model.train()
    for images, labels in batches:
        optimizer.zero_grad()
        loss(model(images), labels).backward()
        optimizer.step()


def predict_labels(model: nn.Module, batches):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(images).argmax(1) for images in batches]).numpy()


ADAM, SGD = partial(torch.optim.Adam, lr=1e-3), partial(torch.optim.SGD, lr=0.05)
MODELS = {  # what builds it, its optimizer, its batch size
    "mlp_128": (partial(make_mlp, 784, 128, 10), ADAM, 128),
    "mlp_1024_128": (partial(make_mlp, 784, 1024, 128, 10), ADAM, 128),
    "cnn_2conv": (make_cnn_2conv, SGD, 64),
}


def make(data, model: str, *, resident: bool = False, fused: bool | None = None) -> Trainer:
    """The usual loop of tutorials; if `resident`, batches are gathered from a tensor instead of by a `DataLoader`."""
    images, labels = as_input(data.train.images), torch.tensor(data.train.labels)
    build, make_optimizer, batch_size = MODELS[model]
    made = build()
    optimizer = make_optimizer(made.parameters(), fused=fused)
    loader = DataLoader(TensorDataset(images, labels), batch_size=batch_size, shuffle=True)

    def epoch():
        rows = torch.randperm(len(labels)).split(batch_size) if resident else ()
        batches = ((images[x], labels[x]) for x in rows) if resident else loader
        train_epoch(made, optimizer, nn.functional.cross_entropy, batches)

    return Trainer(epoch, lambda x: predict_labels(made, as_input(x).split(TEST_BATCH_SIZE)))


def load_pictures(split, batch_size: int) -> DataLoader:
    """Makes each item a picture, then a tensor in [0, 1], and standardizes that, as torchvision does."""
    images, labels = torch.tensor(split.images), torch.tensor(split.labels)

    def make_item(row):
        picture = Image.fromarray(images[row].numpy())
        pixels = torch.from_numpy(np.array(picture, copy=True))  # from here as `ToTensor`
        pixels = pixels.view(picture.size[1], picture.size[0], len(picture.getbands()))
        image = pixels.permute((2, 0, 1)).contiguous().to(torch.float32).div(255).clone()
        mean, deviation = (torch.as_tensor(x).view(-1, 1, 1) for x in (MEAN, DEVIATION))
        return image.sub_(mean).div_(deviation), int(labels[row])

    collate = {"collate_fn": lambda rows: default_collate(list(map(make_item, rows)))}
    return DataLoader(range(len(images)), batch_size=batch_size, **collate)


def make_example(data, *, seed: int) -> Trainer:
    """PyTorch's own MNIST example: Adadelta 1.0, times 0.7 each epoch, batch 64, at most 14 epochs.

    As in the example without an accelerator, images are neither shuffled nor loaded by workers.

    Reference:
        https://github.com/pytorch/examples/blob/main/mnist/main.py
    """
    torch.manual_seed(seed)
    images, tests = load_pictures(data.train, 64), load_pictures(data.test, TEST_BATCH_SIZE)
    convolutions = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU()]
    dense = [nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10)]
    between = [nn.MaxPool2d(2), nn.Dropout(0.25)]
    model = nn.Sequential(*convolutions, *between, *dense, nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)

    def epoch():
        train_epoch(model, optimizer, nn.functional.nll_loss, images)
        scheduler.step()

    return Trainer(epoch, lambda _: predict_labels(model, (x for x, _ in tests)), 14)
