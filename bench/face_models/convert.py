"""Writes a face model anew with its block-quantised weights as 32-bit numbers: `python convert.py MODEL OUT`."""

import sys

import numpy as np
import onnx
from onnx import numpy_helper


def main(source, out):
    model = onnx.load(source)
    graph = model.graph
    known = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    made = {}
    for node in list(graph.node):
        if node.op_type == "DequantizeLinear":
            made[node.output[0]] = dequantised(node, [known[name] for name in node.input])
        elif node.op_type == "Reshape" and node.input[0] in made:
            made[node.output[0]] = made.pop(node.input[0]).reshape(known[node.input[1]])
        else:
            continue
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    kept = [one for one in graph.initializer if one.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept + [numpy_helper.from_array(value, name) for name, value in made.items()])
    given = [one for one in graph.input if one.name not in known and one.name not in made and one.name in used]
    picture = [one for one in given if one.type.tensor_type.shape.dim]
    del graph.input[:]
    graph.input.extend(picture[:1])
    onnx.checker.check_model(model)
    onnx.save(model, out)


def dequantised(node, inputs):
    weights, scales, zero_points = inputs
    told = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    axis, block = told["axis"], told["block_size"]
    places = np.arange(weights.shape[axis]) // block
    scale, zero = (np.take(one, places, axis=axis).astype(np.float32) for one in (scales, zero_points))
    return (weights.astype(np.float32) - zero) * scale


main(*sys.argv[1:])
