"""Formulas of attention papers for one image, written with loops over numbers in float64."""

import math

import numpy as np
from torch import nn

Array = np.ndarray


def weights(module: nn.Module) -> dict[str, Array]:
    """Return the parameters and statistics of a module by name."""
    return {name: tensor.detach().double().numpy() for name, tensor in module.state_dict().items()}


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def eca(x: Array, w: dict[str, Array]) -> Array:
    """Wang et al. 2020, equations 5 and 12."""
    channels, rows, columns = x.shape
    kernel = w["conv.weight"][0, 0]
    t = (math.log2(channels) + 1) / 2
    assert len(kernel) % 2 == 1
    assert abs(len(kernel) - t) <= 1
    means = [sum(x[c, i, j] for i in range(rows) for j in range(columns)) / (rows * columns) for c in range(channels)]
    y = np.empty_like(x)
    for c in range(channels):
        total = 0.0
        for k, weight in enumerate(kernel):
            neighbour = c + k - len(kernel) // 2
            total += weight * means[neighbour] if 0 <= neighbour < channels else 0
        y[c] = sigmoid(total) * x[c]
    return y


def simam(x: Array, regularisation: float = 1e-4) -> Array:
    """Yang et al. 2021, equation 5 with the sample variance of the authors' code, and equation 6."""
    channels, rows, columns = x.shape
    y = np.empty_like(x)
    for c in range(channels):
        values = [x[c, i, j] for i in range(rows) for j in range(columns)]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        for i in range(rows):
            for j in range(columns):
                energy = 4 * (variance + regularisation) / ((x[c, i, j] - mean) ** 2 + 2 * (variance + regularisation))
                y[c, i, j] = sigmoid(1 / energy) * x[c, i, j]
    return y


def linear(vector: list[float], matrix: Array, bias: Array) -> list[float]:
    """Return ``matrix vector + bias``."""
    return [sum(row[k] * vector[k] for k in range(len(vector))) + b for row, b in zip(matrix, bias, strict=True)]


def normed(value: float, w: dict[str, Array], prefix: str, unit: int) -> float:
    """Batch norm in evaluation."""
    scale = w[f"{prefix}weight"][unit] / math.sqrt(w[f"{prefix}running_var"][unit] + 1e-5)
    return float((value - w[f"{prefix}running_mean"][unit]) * scale + w[f"{prefix}bias"][unit])


def coordinate(x: Array, w: dict[str, Array]) -> Array:
    """Hou et al. 2021, equations 4 to 9."""
    channels, rows, columns = x.shape

    def hidden(pooled: list[float]) -> list[float]:
        values = linear(pooled, w["conv.weight"][:, :, 0, 0], w["conv.bias"])
        values = [normed(value, w, "bn.", unit) for unit, value in enumerate(values)]
        return [value * min(max(value + 3, 0), 6) / 6 for value in values]

    def gate(pooled: list[float], name: str) -> list[float]:
        values = linear(hidden(pooled), w[f"{name}.conv.weight"][:, :, 0, 0], w[f"{name}.conv.bias"])
        return [sigmoid(value) for value in values]

    of_row = [
        gate([sum(x[c, i, j] for j in range(columns)) / columns for c in range(channels)], "height_gate")
        for i in range(rows)
    ]
    of_column = [
        gate([sum(x[c, i, j] for i in range(rows)) / rows for c in range(channels)], "width_gate")
        for j in range(columns)
    ]
    y = np.empty_like(x)
    for c in range(channels):
        for i in range(rows):
            for j in range(columns):
                y[c, i, j] = x[c, i, j] * of_row[i][c] * of_column[j][c]
    return y


def branch(x: Array, w: dict[str, Array], name: str) -> Array:
    """A branch of triplet attention on a tensor whose first axis is pooled away: Misra et al. 2021, equation 3."""
    _, rows, columns = x.shape
    kernel = w[f"{name}.conv.weight"][0]
    y = np.empty_like(x)
    for i in range(rows):
        for j in range(columns):
            total = 0.0
            for di in range(-3, 4):
                for dj in range(-3, 4):
                    if 0 <= i + di < rows and 0 <= j + dj < columns:
                        values = x[:, i + di, j + dj]
                        total += kernel[0, di + 3, dj + 3] * max(values)
                        total += kernel[1, di + 3, dj + 3] * sum(values) / len(values)
            y[:, i, j] = x[:, i, j] * sigmoid(normed(total, w, f"{name}.bn.", 0))
    return y


def triplet(x: Array, w: dict[str, Array]) -> Array:
    """Misra et al. 2021, equation 5: the mean of three branches, two of them on the turned tensor."""
    by_rows = branch(x.transpose(1, 0, 2), w, "channel_width_gate").transpose(1, 0, 2)
    by_columns = branch(x.transpose(2, 1, 0), w, "channel_height_gate").transpose(2, 1, 0)
    return (by_rows + by_columns + branch(x, w, "spatial_gate")) / 3


def global_context(x: Array, w: dict[str, Array]) -> Array:
    """Cao et al. 2019, equation 5."""
    channels, rows, columns = x.shape
    places = [(i, j) for i in range(rows) for j in range(columns)]
    mask = w["mask.weight"][0, :, 0]
    exponentials = [math.exp(sum(mask[c] * x[c, i, j] for c in range(channels))) for i, j in places]
    shares = [value / sum(exponentials) for value in exponentials]
    context = [sum(s * x[c, i, j] for s, (i, j) in zip(shares, places, strict=True)) for c in range(channels)]
    hidden = linear(context, w["transform.fc1.weight"], w["transform.fc1.bias"])
    mean = sum(hidden) / len(hidden)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in hidden) / len(hidden) + 1e-5)
    scaled = [
        max(0.0, (value - mean) / deviation * gain + shift)
        for value, gain, shift in zip(hidden, w["transform.norm.weight"], w["transform.norm.bias"], strict=True)
    ]
    added = linear(scaled, w["transform.fc2.weight"], w["transform.fc2.bias"])
    return x + np.array(added)[:, None, None]
