"""StyleGAN2 and GLEAN of mmagic, mmediting and mmgen: ``*_orig`` weights, full words."""

from .rename import Layout

LAYOUT = Layout(
    parts={
        "generator": ("generator_ema.", "generator."),
        "discriminator": ("discriminator.",),
    },
    names=(
        (r"\bconstant_input\.", "input."),
        (r"\bstyle_mapping\.", "style."),
        (r"\binjected_noise_", "noises.noise_"),
        (r"\.style_modulation\.", ".modulation."),
        (r"\.noise_injector\.", ".noise."),
        (r"\.linear\.weight_orig$", ".weight"),  # style, modulation, final_linear
        (r"\b((convs\.0|conv1|conv2|skip|final_conv)\.\d)\.conv\.weight_orig$", r"\1.weight"),  # discriminator
        (r"\.weight_orig$", ".weight"),  # generator: convs.0.conv.weight_orig, to_rgb1.conv.weight_orig
    ),
)

# a network of that project is called "generator", and so is the bank within; the encoder tells them apart
ENCODER = ("encoder.0.0.conv_first.weight",)
NETWORK = ("generator_ema.", "generator.", "")

GLEAN = Layout(
    parts={"generator": NETWORK, "discriminator": LAYOUT.parts["discriminator"]},
    names=((r"^generator\.", "bank."), *LAYOUT.names),
    landmarks={"generator": ENCODER},
)
