"""The story's inputs: real files, made on the spot, because the project ships nobody else's."""

from eucora.lab.inputs.model import ApplicationInputs, StoryInputs
from eucora.lab.inputs.story import build_inputs
from eucora.lab.inputs.user import user_inputs

__all__ = ["ApplicationInputs", "StoryInputs", "build_inputs", "user_inputs"]
