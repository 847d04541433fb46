"""Assemble the kernels of a page after a change: ``python -m ganprior_null.interop.page.assemble``.

kernels.wat -> kernels.base64, with the assembler of ``pip install wasmtime``.
"""

import base64
from pathlib import Path

HERE = Path(__file__).parent


def assembled() -> bytes:
    """kernels.wat as a WebAssembly module in base64, with a newline."""
    from wasmtime import wat2wasm

    return base64.encodebytes(bytes(wat2wasm((HERE / "kernels.wat").read_text("utf-8"))))


if __name__ == "__main__":
    (HERE / "kernels.base64").write_bytes(assembled())
