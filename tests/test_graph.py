import pytest

from budgetnet.graph import Graph, GraphBuilder, GraphError
from budgetnet.ops import Add, BiasAdd, Conv2d


def small_graph() -> Graph:
    g = GraphBuilder()
    image = g.image(height=8, width=10)
    with g.part("stem"):
        first = g.add("a/conv", Conv2d(channels=4, kernel=3, stride=2), image)
    with g.part("head"):
        second = g.add("b/conv", Conv2d(channels=4, kernel=1), first)
        g.add("sum", Add(), first, second)
    return g.finish()


def test_nodes_keep_order_part_inputs_and_shape():
    graph = small_graph()
    assert [(node.name, node.part, node.inputs) for node in graph.nodes] == [
        ("input", "", ()),
        ("a/conv", "stem", ("input",)),
        ("b/conv", "head", ("a/conv",)),
        ("sum", "head", ("a/conv", "b/conv")),
    ]
    assert graph.input.name == "input"
    assert graph.output.name == "sum"
    assert (graph.output.shape.channels, graph.output.shape.height, graph.output.shape.width) == (4, 4, 5)


def test_input_shapes_follow_the_edges():
    shapes = {node.name: [shape.channels for shape in inputs] for node, inputs in small_graph().input_shapes()}
    assert shapes == {"input": [], "a/conv": [3], "b/conv": [4], "sum": [4, 4]}


def test_a_name_must_be_new():
    g = GraphBuilder()
    image = g.image(height=8, width=8)
    g.add("x", BiasAdd(), image)
    with pytest.raises(GraphError, match="must be new, but got 'x' twice"):
        g.add("x", BiasAdd(), image)


def test_an_input_must_be_declared_before():
    with pytest.raises(GraphError, match="inputs of 'x' must be declared before it, but got 'image'"):
        GraphBuilder().add("x", BiasAdd(), "image")


def test_a_graph_must_have_a_node():
    with pytest.raises(GraphError, match="at least one node"):
        GraphBuilder().finish()
