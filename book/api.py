"""The reference of the public names, out of their docstrings: appended to ``api.md`` by book/build.py.

Each entry is a directive of Sphinx's own domain for Python: signature, text, example, fields, methods. A role in a
docstring names any object of the package; it becomes a link where that object has an entry, else plain code, and a name
that leads to nothing is an error. Formulas become MathML, which a browser draws by itself: with MathJax and its fonts
the page would have 2.3 MB.
"""

import ast
import dataclasses
import inspect
import pkgutil
import re
import sys
import textwrap
from types import FunctionType

from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.inspect import stringify_signature

GROUPS = {
    "Operators": "LinearOperator RangeNull AveragePool Resize BlurDownsample Grayscale SpatialColour Inpaint "
    "BlockSensing Matrix",
    "Checks of an operator": "dottest as_matrix penrose_residuals operators.Penrose",
    "Consistency": "enforce_consistency NullSpace enforce_noisy restorers.NoisyResult identify_downsampler "
    "restorers.Identified project_box to_uint8_consistent CEM",
    "Measures": "psnr ssim ms_ssim consistency_db metrics.fd_features64 layers.FeatureNet64 metrics.identity "
    "metrics.Identity layers.DlibFaces",
    "Ranges of images": "images.to_signed images.from_signed images.to_uint8 images.from_uint8",
    "Networks around a GAN prior": "StyleGAN2 StyleGAN2Discriminator Restorer GLEAN Panini PaniniMFR PDN PSP GFPGAN "
    "GPEN",
    "Searches": "pulse PulseResult restorers.SearchOptions restorers.mganprior restorers.dgp restorers.fit_gaussian "
    "restorers.LatentGaussian",
    "From one image": "estimate_kernel KernelEstimate singan restorers.SinGANResult",
    "Published networks": "networks.available networks.Known networks.load_network "
    "networks.enlarge restorers.restore_picture restorers.Restored",
    "Weights": "weights.shipped weights.available weights.listed weights.load_prior weights.LoadedPrior "
    "weights.load_discriminator weights.load_restorer weights.load_features64 weights.load_dlib_faces "
    "weights.shipped_path weights.weights_path weights.user_folder "
    "weights.convert weights.convert_file weights.LoadReport weights.build weights.load_checkpoint "
    "weights.load_stylegan2 weights.read_metadata weights.save_weights",
}
NAMES = [name for names in GROUPS.values() for name in names.split()]
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):`(~?)([.\w]+)`")
FORMULA = re.compile(r":math:`([^`]+)`")
EQUATION = re.compile(r"^\.\. math:: (.*(?:\n +.*)*)", re.MULTILINE)
MATHML = ".. role:: mathml(raw)\n   :format: html\n"
TYPE = re.compile(r"~([\w.]+)")
UNSAID = {"extra_repr", "train"}  # methods that say nothing of their own


def page(repository: str = "") -> str:
    """All groups as MyST: a heading each, and the entries under it. repository: its address, for links to files."""
    parts = []
    for title, names in GROUPS.items():
        entries = "\n".join(entry(name, repository) for name in names.split())
        parts.append(f"\n## {title}\n\n```{{eval-rst}}\n{MATHML}\n{entries}```\n")
    return "".join(parts)


def anchor(name: str) -> str:
    """The label of a name's entry: ``weights.load_prior`` -> ``api-weights-load-prior``.

    Labels have no capitals: a class beside a function of its name, as ``metrics.Identity``, says that it is the class.
    """
    twin = name != name.lower() and name.lower() in " ".join(GROUPS.values()).split()
    return "api-" + re.sub(r"\W|_", "-", name).lower() + ("-class" if twin else "")


def found(name: str):
    """The object of a name below ganprior_null. Raises ImportError, AttributeError for none."""
    room, _, last = f"ganprior_null.{name}".rpartition(".")
    return pkgutil.resolve_name(f"{room}:{last}")  # the colon: a folder of that name is not what is meant


def canonical(thing) -> str:
    """Where an object is defined: ``ganprior_null.operators.pooling.AveragePool``."""
    return f"{thing.__module__}.{thing.__qualname__}"


PUBLIC = {canonical(found(name)): name for name in NAMES}


def entry(name: str, repository: str = "") -> str:
    """The directive of a public name, with its label before it."""
    thing = found(name)
    kind = "class" if inspect.isclass(thing) else "function"
    body = [text_of(thing), *(fields(thing) if kind == "class" else [])]
    body += [method(owner, part) for owner, part in (methods(thing) if kind == "class" else [])]
    file = thing.__module__.replace(".", "/") + ".py"
    body.append(f"Defined in `{file} <{repository}/blob/main/{file}>`__." if repository else f"Defined in ``{file}``.")
    head = f".. _{anchor(name)}:\n\n.. py:{kind}:: {name}{signature(thing)}\n   :module: ganprior_null\n"
    head += f"   :canonical: {canonical(thing)}\n"
    return f"{head}\n{indented(*body)}\n"


def indented(*parts: str) -> str:
    return textwrap.indent("\n\n".join(parts), "   ") + "\n"


def text_of(thing, owner=None) -> str:
    """The docstring, its roles resolved and its formulas drawn."""
    context = sys.modules[(owner or thing).__module__]
    text = ROLE.sub(lambda role: link(role[2], role[1], context, owner or thing), inspect.getdoc(thing) or "")
    text = FORMULA.sub(lambda tex: f":mathml:`{mathml(tex[1])}`", text)
    return EQUATION.sub(
        lambda tex: f'.. raw:: html\n\n   <div class="formula">{mathml(tex[1], as_block=True)}</div>', text
    )


def mathml(tex: str, **options) -> str:
    """TeX -> MathML in one line."""
    lines = tex2mathml(" ".join(tex.split()), **options).splitlines()
    return "".join(line.strip() for line in lines).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "")


def link(target: str, short: str, context, owner) -> str:
    """A role's replacement. Raises ValueError for a target that is nothing."""
    thing = resolved(target, context, owner)
    shown = target.rpartition(".")[2] if short else target
    name = PUBLIC.get(canonical(thing)) if isinstance(thing, type | FunctionType) else None
    return f":py:obj:`{shown} <ganprior_null.{name}>`" if name else f"``{shown}``"


def resolved(target: str, context, owner):
    """What a docstring means by a name: written in full, or a member of its class, or a name of its file."""
    try:
        if target.startswith("ganprior_null."):
            return found(target.removeprefix("ganprior_null."))
        return getattr(owner, target) if hasattr(owner, target) else getattr(context, target)
    except (AttributeError, ImportError) as error:
        raise ValueError(f"{canonical(owner)} refers to {target}, which is nothing") from error


def signature(thing, *, bound: bool = False) -> str:
    """(names: types = defaults) -> type; types of ours that have an entry are linked, the others are words."""
    found = inspect.signature(thing)
    parameters = [constant(p, thing) for p in list(found.parameters.values())[bound:]]
    found = found.replace(parameters=parameters)
    if inspect.isclass(thing):
        made = found.replace(return_annotation=inspect.Signature.empty)
        found = made if own(thing.__init__) or own(thing.__new__) else inspect.Signature()  # torch's says nothing
    return TYPE.sub(type_name, stringify_signature(found, unqualified_typehints=True))


def type_name(match: re.Match) -> str:
    """The entry of a type of ours; of any other its last name alone, which Sphinx takes for a word."""
    return f"~ganprior_null.{name}" if (name := PUBLIC.get(match[1])) else match[1].rpartition(".")[2]


class Name(str):
    """A default that is shown as it is called."""

    __repr__ = str.__str__


def constant(parameter: inspect.Parameter, thing) -> inspect.Parameter:
    """A parameter whose default, where it is an object, is shown by the name that the file has for it."""
    default = parameter.default
    if isinstance(default, tuple):
        return parameter.replace(default=tuple(round(x, 4) for x in default))
    if default is parameter.empty or isinstance(default, int | float | str | None):
        return parameter
    names = [name for name, value in vars(sys.modules[thing.__module__]).items() if value is default]
    return parameter.replace(default=Name(names[0] if names else "..."))


def methods(cls: type) -> list[tuple[type, str]]:
    """(where it is defined, name) of what the class and bases without an entry say themselves."""
    owners = [cls, *(base for base in cls.__mro__[1:] if own(base) and canonical(base) not in PUBLIC)]
    named: dict[str, type] = {}
    for owner in owners:
        for name, value in vars(owner).items():
            if not name.startswith("_") and name not in UNSAID and written(value):
                named.setdefault(name, owner)
    return [(owner, name) for name, owner in named.items()]


def own(thing) -> bool:
    """Whether the package defines it; named tuples' constructors have its name too."""
    return str(getattr(thing, "__module__", "")).startswith(("ganprior_null.", "namedtuple_"))


def written(value) -> bool:
    """Whether a member is a function, or the like, with a docstring."""
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return isinstance(plain, FunctionType | property) and bool(plain.__doc__)


def method(owner: type, name: str) -> str:
    """The directive of a method or a property."""
    value = vars(owner)[name]
    if isinstance(value, property):
        return f".. py:property:: {name}\n\n{indented(text_of(value, owner))}"
    of_class = isinstance(value, classmethod)
    plain = value.__func__ if of_class else value
    options = "   :classmethod:\n" if of_class else ""
    return f".. py:method:: {name}{signature(plain, bound=True)}\n{options}\n{indented(text_of(plain, owner))}"


def fields(cls: type) -> list[str]:
    """A list of the fields of a named tuple or a data class, with what stands beside each in the source."""
    if not (dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")):
        return []
    lines = inspect.getsource(cls).splitlines()
    (body,) = ast.parse(textwrap.dedent("\n".join(lines))).body
    items = []
    for node in body.body:
        if isinstance(node, ast.AnnAssign):
            _, beside, remark = lines[node.end_lineno - 1].partition("  # ")
            above = lines[node.lineno - 2].strip()
            remark = remark if beside else above.removeprefix("# ") if above.startswith("# ") else ""
            items.append(
                f"- ``{node.target.id}``: {ast.unparse(node.annotation)}" + (f", {plain(remark)}" if remark else "")
            )
    return ["Fields:\n\n" + "\n".join(items)]


def plain(text: str) -> str:
    """Text as it is, in reStructuredText."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)
