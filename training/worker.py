"""One worker of LightGBM's distributed learner, as a task of a Spark barrier stage.

Sent to the workers as it stands here: they need LightGBM, NumPy and PyArrow, and nothing else of ours. LightGBM's
distributed learner cannot keep components apart itself (it looks up the branch of a leaf that is not there yet, and
fails), so a tree is begun twice: once to see which component its first split asks for, then with that one's features.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import lightgbm as lgb
import numpy as np
import pyarrow as pa

Told = dict[str, Any]
Task = Callable[[Iterator[Any]], Iterator[Any]]


def worker(told: Told, categorical: list[int], rounds: int) -> Task:
    """What a task does with its share of the rows (features first, the label last): the first gives the model's text.

    `told` are LightGBM's parameters as for one process.
    """

    def work(batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        rows, label = _read(batches)
        network = _network(context) if len(context.getTaskInfos()) > 1 else {}
        names = [f"f{i}" for i in range(rows[0].shape[1])]
        data = lgb.Dataset(rows, label, feature_name=names, categorical_feature=categorical)
        text = grown({**told, **network}, data, rounds)
        texts = [text] if context.partitionId() == 0 else []
        yield pa.RecordBatch.from_pydict({"model": pa.array(texts, pa.string())})

    return work


def grown(told: Told, data: lgb.Dataset, rounds: int) -> str:
    """The text of a model of `rounds` trees, each of one component of `interaction_constraints`.

    The share `feature_fraction` of the features is drawn for each tree, alike on all workers.
    """
    shared = {k: v for k, v in told.items() if k not in ("interaction_constraints", "feature_fraction")}
    booster = lgb.Booster(shared, data)
    rng = np.random.default_rng(int(told["seed"]))
    usable = [i for i in range(data.num_feature()) if data.feature_num_bin(i) > 1]
    many = max(1, round(len(usable) * float(told["feature_fraction"])))
    component = {i: set(members) for members in told["interaction_constraints"] for i in members}
    if not usable:
        booster.update()  # a tree of one leaf: the rate
    for _ in range(rounds if usable else 0):
        drawn = set(rng.choice(usable, many, replace=False).tolist())
        _allow(booster, drawn, data.num_feature(), 2)
        if booster.update():
            continue  # none of those drawn can split
        first = booster.dump_model(num_iteration=1, start_iteration=booster.current_iteration() - 1)["tree_info"][0]
        booster.rollback_one_iter()
        asked = component[int(first["tree_structure"]["split_feature"])]
        _allow(booster, drawn & asked, data.num_feature(), int(told["num_leaves"]))
        booster.update()
    return str(booster.model_to_string())


def _allow(booster: lgb.Booster, features: set[int], of: int, leaves: int) -> None:
    """Let the next tree split on some features alone: the gain of all others counts for nothing."""
    booster.reset_parameter({"feature_contri": [float(i in features) for i in range(of)], "num_leaves": leaves})


def _read(batches: Iterator[Any]) -> tuple[list[Any], Any]:
    """Rows as float64 arrays (rows, features), one a batch, and their labels."""
    read = [[c.to_numpy(zero_copy_only=False) for c in b.columns] for b in batches if b.num_rows]
    return [np.column_stack(columns[:-1]) for columns in read], np.concatenate([columns[-1] for columns in read])


def _network(context: Any) -> Told:
    """Where the workers are, by address: LightGBM finds itself among them by that, and would not by a name."""
    host = context.getTaskInfos()[context.partitionId()].address.rsplit(":", 1)[0]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
        peers = context.allGather(f"{socket.gethostbyname(host)}:{port}")
    learner = {"tree_learner": "data", "pre_partition": True}
    return {**learner, "num_machines": len(peers), "machines": ",".join(peers), "local_listen_port": port}
