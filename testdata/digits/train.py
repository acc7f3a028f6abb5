"""Makes the demo's models and data from the UCI handwritten digits. See README.md; run it only to rebuild them.

    python -m venv VENV && VENV/bin/pip install -r requirements.txt && VENV/bin/python train.py --out .

Everything follows from one seed. --study N trains with N other seeds and prints what each gives, to show what one seed may and may not
prove; it writes no files.
"""

import argparse
import pathlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

SEED = 20261123
RUN = 138  # about what one of the set's 13 writers gave: 1,797 images in a row by writer
TEMPERATURE, ALPHA = 4.0, 0.5  # of distillation: softness of the teacher's targets, and their share of the loss


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.na = nn.BatchNorm2d(outputs)
        self.b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.nb = nn.BatchNorm2d(outputs)
        self.short = None
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.nb(self.b(F.relu(self.na(self.a(x)))))
        return F.relu(y + (x if self.short is None else self.short(x)))


class ResNet(nn.Module):
    def __init__(self, widths, blocks, stem_stride):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, widths[0], 3, stem_stride, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU())
        stages, inputs = [], widths[0]
        for i, width in enumerate(widths):
            for j in range(blocks):
                stages.append(Block(inputs, width, 2 if i > 0 and j == 0 else 1))
                inputs = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, 10)

    def forward(self, image):
        return self.head(self.stages(self.stem(image)).mean((2, 3)))


def teacher_net():
    return ResNet((24, 48, 64), 2, 1)


def student_net():
    return ResNet((8, 16, 32), 1, 2)


def load():
    """Splits the set in the middle: images stand in a row by writer, so (but for one writer at the cut) the test images' writers are not
    the training images'. A random split would flatter every model by about two points."""
    d = load_digits()
    x = np.kron(d.images.astype(np.float32) / 16, np.ones((4, 4), np.float32))[:, None]
    y = d.target.astype(np.int64)
    run = np.arange(len(y)) // RUN
    stroke = d.images.mean((1, 2))
    low, high = np.quantile(stroke, [1 / 3, 2 / 3])
    word = np.where(stroke < low, "thin", np.where(stroke < high, "medium", "thick"))
    return x, y, run, word, np.arange(len(y)) >= len(y) // 2


def augment(x, generator):
    shift = torch.randint(-3, 4, (len(x), 2), generator=generator)
    out = torch.stack([torch.roll(image, (int(a), int(b)), (1, 2)) for image, (a, b) in zip(x, shift)])
    return (out + 0.05 * torch.randn(out.shape, generator=generator)).clamp(0, 1)


def train(net, x, y, epochs, generator, teacher=None):
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, epochs * (len(x) // 64 + 1))
    for _ in range(epochs):
        net.train()
        for index in torch.randperm(len(x), generator=generator).split(64):
            batch = augment(x[index], generator)
            logits = net(batch)
            loss = F.cross_entropy(logits, y[index])
            if teacher is not None:
                with torch.no_grad():
                    soft = F.softmax(teacher(batch) / TEMPERATURE, 1)
                distance = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), soft, reduction="batchmean") * TEMPERATURE**2
                loss = (1 - ALPHA) * loss + ALPHA * distance
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def predict(net, x):
    with torch.no_grad():
        return F.softmax(net(torch.from_numpy(x)), 1).numpy()


def calibration_error(p, y):
    confidence, right = p.max(1), p.argmax(1) == y
    bins = np.minimum((confidence * 15).astype(int), 14)
    return sum(abs(confidence[bins == b].sum() - right[bins == b].sum()) for b in range(15)) / len(y)


def build(seed, x, y, test):
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(seed)
    teacher = train(teacher_net(), x[~test], y[~test], 40, g)
    nets = {"teacher": teacher}
    for name, guide in (("student", teacher), ("student_scratch", None)):
        torch.manual_seed(seed + 1)  # the same start and the same order of images with and without the teacher
        nets[name] = train(student_net(), x[~test], y[~test], 60, torch.Generator().manual_seed(seed + 1), guide)
    return nets


def describe(seed, nets, x, y):
    guide = predict(nets["teacher"], x)
    for name, net in nets.items():
        p = predict(net, x)
        agreement = (p.argmax(1) == guide.argmax(1)).mean()
        print(f"| {seed} | {name} | {(p.argmax(1) == y).mean():.4f} | {agreement:.4f} | {calibration_error(p, y):.4f} |", flush=True)


def save(out, nets, x, y, run, stroke, test):
    for name, net in nets.items():
        torch.onnx.export(net, (torch.from_numpy(x[:2]),), str(out / f"{name}.onnx"), input_names=["image"], output_names=["logits"], opset_version=17,
                          dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}}, dynamo=False)
    chosen = np.random.default_rng(SEED).permutation(np.flatnonzero(~test))[:128]
    for name, index in (("calib", np.sort(chosen)), ("test", np.flatnonzero(test))):
        np.savez_compressed(out / f"{name}.npz", x=x[index], y=y[index], stroke=stroke[index], run=run[index])


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--out", type=pathlib.Path)
    args.add_argument("--study", type=int, default=0)
    args = args.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    x, y, run, stroke, test = load()
    print("| seed | model | accuracy | agreement with its teacher | calibration error |\n| --- | --- | --- | --- | --- |")
    for seed in range(1, args.study + 1):
        describe(seed, build(seed, x, y, test), x[test], y[test])
    if args.out:
        nets = build(SEED, x, y, test)
        describe(SEED, nets, x[test], y[test])
        save(args.out, nets, x, y, run, stroke, test)


if __name__ == "__main__":
    main()
