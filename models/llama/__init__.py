"""The only place that touches llama.cpp: small typed handles over its C API, through llama-cpp-python.

A handle owns its pointer, raises Python errors, and keeps every ctypes callback alive as long as native code may call
it. What llama.cpp logs is kept here (:func:`log_lines`) and never reaches the user's screen by itself.
"""

from models.llama.adapter import Adapter
from models.llama.context import UBATCH, Aborted, Context, DecodeError, KVType, Row, Sampler
from models.llama.library import REQUIRED_VERSION, Device, devices, log_lines, registered, system_info
from models.llama.model import Model
from models.llama.observer import Observer, Product

__all__ = [
    "REQUIRED_VERSION",
    "UBATCH",
    "Aborted",
    "Adapter",
    "Context",
    "DecodeError",
    "Device",
    "KVType",
    "Model",
    "Observer",
    "Product",
    "Row",
    "Sampler",
    "devices",
    "log_lines",
    "registered",
    "system_info",
]
