"""The models that are compared."""

from workloads.basic import BASIC, channels_first
from workloads.further import FURTHER
from workloads.workload import Workload

WORKLOADS = {workload.name: workload for workload in (*BASIC, *FURTHER)}
# The models that are asked for predictions.
PREDICTED = ("W1", "W3", "W6")

__all__ = ["BASIC", "FURTHER", "PREDICTED", "WORKLOADS", "Workload", "channels_first"]
