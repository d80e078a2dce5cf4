"""What the multimodal demos say: the vendor's own, whose arguments differ by version, and Qengineering's VLM_NPU.

Both load the language model, then the encoder, encode the image once, and then answer. A prompt with ``<image>`` gets
the image's tokens; any other line is answered as text. What the vendor's prints is from public logs of 1.2.1 to 1.2.3;
1.1.4 and 1.2.0 are taken to differ by the core count, which is no argument of theirs, and 1.3.0 by nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtual import physics
from virtual.artifacts import Encoder, EncoderHeader, read_encoder
from virtual.demo import Conversation, stamp
from virtual.layouts import Arguments

IMAGE = "<image>"
WRONG_USE = 255
MASK_CORES = 2  # of a library that refuses three: its highest mask has two bits
MARKER_TOKENS = 2  # before and behind the image's own
BAD_MASK = "E RKNN: [{stamp}] rknn_set_core_mask: unavailable core mask found for current platform! max core mask = 3\n"
PLATFORMS = ("rk3588", "rk3576", "rk3562", "rv1126b")
TAKES = "image_path encoder_model_path llm_model_path max_new_tokens max_context_len"
NO_IMAGE = (
    "terminate called after throwing an instance of 'cv::Exception'\n"
    "  what():  OpenCV(4.5.4) error: (-215:Assertion failed) !_src.empty() in function 'cvtColor'\n\n"
)
INVALID = "E RKNN: [{stamp}] parseRKNN from buffer: Invalid RKNN format!\n"
MARKERS = " [img_start] [img_end] [img_content]"


class Official(Conversation):
    """``demo`` of the vendor's multimodal example."""

    greeting = ""
    menu = (f"{IMAGE}What is in the image?", f"{IMAGE}这张图片中有什么？")
    headings = ("input tensors:", "output tensors:", "model input")
    says_times = True
    encoder: Encoder | None = None
    cores = 3
    llm_load_ms = load_ms = encode_ms = 0.0

    def _understood(self) -> bool:
        said, takes = self._request.arguments, self._layout.arguments
        fewest = {Arguments.PLAIN: 5, Arguments.CORES: 6, Arguments.MARKERS: 6, Arguments.PLATFORM: 7}[takes]
        if len(said) < fewest:
            more = {
                Arguments.PLAIN: "",
                Arguments.CORES: " rknn_core_num",
                Arguments.MARKERS: f" rknn_core_num{MARKERS}",
                Arguments.PLATFORM: f" rknn_core_num platform{MARKERS}",
            }[takes]
            return self._refuse(f"Usage: {self._request.program} {TAKES}{more}")
        if takes is not Arguments.PLAIN:
            self.cores = int(said[5]) if said[5] in ("1", "2", "3") else 1
        if takes is Arguments.PLATFORM and said[6] not in PLATFORMS:
            return self._refuse(f"Error: Unknown platform: {said[6]}")
        if takes in (Arguments.MARKERS, Arguments.PLATFORM) and len(said) == fewest:
            self._terminal.err("[Warning] Using default img_start/img_end/img_content: the ones of Qwen-VL\n")
        return True

    def _refuse(self, why: str) -> bool:
        self._terminal.err(f"{why}\n")
        self._board.truth.record("refused_arguments", pid=self._request.pid, run=self._run, why=why)
        self._leave(WRONG_USE)
        return False

    async def _see(self) -> bool:
        self.llm_load_ms = self._init_ms * 1.05 + 550.0
        if self.says_times:
            self._stdout.print(f"main: LLM Model loaded in {self.llm_load_ms:8.2f} ms\n")
        self._say_cores()
        header = await self._load_encoder()
        if header is None:
            return False
        self._set_cores()
        for line in self._tensors(header.encoder):
            self._stdout.print(f"{line}\n")
        if self.says_times:
            self._stdout.print(f"main: ImgEnc Model loaded in {self.load_ms:8.2f} ms\n")
        if 0 not in self._request.files:
            self._stdout.flush()
            self._abort(NO_IMAGE)
            return False
        await self._encode(header.encoder)
        return True

    def _say_cores(self) -> None:
        if self._layout.arguments is not Arguments.PLAIN:
            self._stdout.print(f"===the core num is {self.cores}===\n")

    def _set_cores(self) -> None:
        """Where the mask is refused, the demo goes on with what an encoder has without one."""
        if self.cores > MASK_CORES and "two_core_mask" in self._board.config.traits:
            self._terminal.err(BAD_MASK.replace("{stamp}", stamp()))
            self.cores = 1

    async def _load_encoder(self) -> EncoderHeader | None:
        """Read it into memory, where the language model is already."""
        machine, pid = self._machine, self._request.pid
        file = self._request.files.get(1)
        header = read_encoder(file.head) if file else None
        if file is None or header is None or header.size_bytes != file.size_bytes:
            self._terminal.err(INVALID.replace("{stamp}", stamp()))
            self._stdout.print("rknn_init fail! ret=-1\n")
            self._board.truth.record("init_failed", pid=pid, run=self._run, why="invalid encoder")
            self._leave(WRONG_USE)
            return None
        held = physics.encoder_bytes(machine.chip, header.encoder)
        warm = self._board.npu.is_warm(file.file_id, held)
        self.load_ms = physics.encoder_load_ms(machine.chip, header.encoder, machine.clocks, self._lucky, warm=warm)
        await self._memory.take(self.load_ms / 1000 / self._scale, held, held, beside=True)
        self._board.npu.remember(file.file_id, held)
        self.encoder = header.encoder
        return header

    def _tensors(self, encoder: Encoder) -> Iterator[str]:
        """The shapes of what goes in and comes out."""
        inputs, outputs, model_input = self.headings
        size, width = encoder.resolution, encoder.width
        pixels, made = size * size * 3, encoder.image_tokens * width
        rest = "type=FP16, qnt_type=AFFINE, zp=0, scale=1.000000"
        yield f"model input num: 1, output num: {encoder.outputs}"
        yield inputs
        yield (
            f"  index=0, name=pixel, n_dims=4, dims=[1, {size}, {size}, 3], n_elems={pixels}, size={2 * pixels},"
            f" fmt=NHWC, {rest}"
        )
        yield outputs
        for index in range(encoder.outputs):
            yield (
                f"  index={index}, name={4820 + index}, n_dims=2, dims=[{encoder.image_tokens}, {width}, 0, 0],"
                f" n_elems={made}, size={2 * made}, fmt=UNDEFINED, {rest}"
            )
        yield f"{model_input} height={size}, width={size}, channel=3"

    async def _encode(self, encoder: Encoder) -> None:
        """The image through the encoder; the real demo does not mind that this fails."""
        machine, pid = self._machine, self._request.pid
        machine.settle()
        self._board.wake()
        self.encode_ms = physics.encode_ms(machine.chip, encoder, self.cores, machine.clocks, self._lucky)
        if "encoder_failed" in self._faults:
            self._board.truth.record("fault", fault="encoder_failed", pid=pid, run=self._run)
            self.encode_ms *= 0.01
            self._stdout.print("rknn_run fail! ret=-1\nrun_imgenc fail! ret=-1\n")
        await self._terminal.sleep(self.encode_ms / 1000 / self._scale)
        self._memory.show()
        if self.says_times:
            self._stdout.print(f"main: ImgEnc Model inference took {self.encode_ms:8.2f} ms\n")

    def _asked(self, prompt: str) -> int:
        if IMAGE not in prompt or self.encoder is None:
            return super()._asked(prompt)
        return super()._asked(prompt.replace(IMAGE, "", 1)) + self.encoder.image_tokens + MARKER_TOKENS

    def _seen(self) -> dict[str, object]:
        assert self.encoder is not None
        return {
            "llm_load_ms": round(self.llm_load_ms, 3),
            "imgenc_load_ms": round(self.load_ms, 3),
            "image_encode_ms": round(self.encode_ms, 3),
            "image_tokens": self.encoder.image_tokens,
            "vision_cores": self.cores,
            "resolution": self.encoder.resolution,
        }


class VlmNpu(Official):
    """Qengineering's: the encoder on three cores for good, two arguments that may be left out, and no times."""

    has_menu = False
    user, robot = "\nUser: ", "Answer: "
    headings = ("Input tensors:", "Output tensors:", "Model input")
    says_times = False

    def _understood(self) -> bool:
        if len(self._request.arguments) < 3:
            return self._refuse(f"Usage: {self._request.program} image rknn_model rkllm_model [NewTokens] [Context]")
        return True

    def _say_cores(self) -> None:
        self._stdout.print("used NPU cores 3\n")


DEMOS: dict[str, type[Conversation]] = {"llm_demo": Conversation, "demo": Official, "VLM_NPU": VlmNpu}
