"""The resource: which service, which process of it, on which machine, in which container, with which runtime."""

from tracing_agent.resource.detection import Detection
from tracing_agent.resource.process import resource
from tracing_agent.resource.program import program_name

__all__ = ["Detection", "program_name", "resource"]
