"""Writes GGUF version 3: metadata, F32 tensors and Q8_0 tensors. Nothing more than Acorn needs."""

import struct

import numpy as np

ALIGN = 32
F32, Q8_0 = 0, 8
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def text(value):
    data = value.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def typed(value):
    """A metadata value with its type in front. Whole numbers in lists are int32, alone uint32."""
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + text(value)
    if all(isinstance(item, str) for item in value):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(text(item) for item in value)
    return struct.pack("<IIQ", _ARRAY, _INT32, len(value)) + struct.pack(f"<{len(value)}i", *value)


def quantise_q8_0(array):
    """Blocks of 32 along the last axis: a half-precision scale and 32 signed bytes each."""
    blocks = np.ascontiguousarray(array, dtype=np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    whole = np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)
    whole = (np.sign(whole) * np.floor(np.abs(whole) + 0.5)).astype(np.int8)
    packed = np.empty((len(blocks), 34), dtype=np.uint8)
    packed[:, :2] = scale.astype("<f2").view(np.uint8)
    packed[:, 2:] = whole.view(np.uint8)
    return packed.tobytes()


def write_gguf(path, metadata, tensors):
    """`tensors` maps names to numpy arrays (rows first); matrices become Q8_0, vectors stay F32."""
    infos, blobs, offset = [], [], 0
    for name, array in tensors.items():
        kind = Q8_0 if array.ndim == 2 else F32
        blob = quantise_q8_0(array) if kind == Q8_0 else array.astype("<f4").tobytes()
        shape = array.shape[::-1]
        infos.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
        blob += bytes(-len(blob) % ALIGN)
        blobs.append(blob)
        offset += len(blob)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(text(key) + typed(value) for key, value in metadata.items()) + b"".join(infos)
    path.write_bytes(head + bytes(-len(head) % ALIGN) + b"".join(blobs))
