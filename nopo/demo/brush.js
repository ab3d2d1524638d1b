// Draw on a mask: the person is bright, what is left out is dim. Runs as the js_on_load of a gr.HTML (see brush.py).
const canvas = element.querySelector("canvas");
const view = canvas.getContext("2d");
const size = element.querySelector("input[type=range]");
const photo = new Image();
const layer = () => Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
let mask = null; // the person opaque, the rest transparent
let person = null; // the photo where the mask is
let adding = true;
let last = null; // where the brush was
const undo = [];

function show() {
  if (!mask) return;
  const bright = person.getContext("2d");
  bright.globalCompositeOperation = "copy";
  bright.drawImage(photo, 0, 0, canvas.width, canvas.height);
  bright.globalCompositeOperation = "destination-in";
  bright.drawImage(mask, 0, 0);
  view.globalCompositeOperation = "source-over";
  view.drawImage(photo, 0, 0, canvas.width, canvas.height);
  view.fillStyle = "rgba(24, 18, 16, 0.74)";
  view.fillRect(0, 0, canvas.width, canvas.height);
  view.drawImage(person, 0, 0);
}

function open({ photo: picture, mask: grey }) {
  mask = null;
  undo.length = 0;
  const matte = new Image();
  matte.onload = () => {
    photo.onload = () => {
      canvas.width = photo.naturalWidth;
      canvas.height = photo.naturalHeight;
      const opaque = layer();
      const pen = opaque.getContext("2d", { willReadFrequently: true });
      pen.drawImage(matte, 0, 0, canvas.width, canvas.height);
      const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < pixels.data.length; i += 4) {
        pixels.data[i + 3] = pixels.data[i];
        pixels.data[i] = pixels.data[i + 1] = pixels.data[i + 2] = 255;
      }
      pen.putImageData(pixels, 0, 0);
      mask = opaque;
      person = layer();
      show();
    };
    photo.src = picture;
  };
  matte.src = grey;
}

function here(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function stroke(event) {
  const [x, y] = here(event);
  const pen = mask.getContext("2d");
  pen.globalCompositeOperation = adding ? "source-over" : "destination-out";
  pen.strokeStyle = "white";
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = (size.value / 100) * Math.max(canvas.width, canvas.height);
  pen.beginPath();
  pen.moveTo(...(last || [x, y]));
  pen.lineTo(x, y + 0.01);
  pen.stroke();
  last = [x, y];
  show();
}

canvas.addEventListener("pointerdown", (event) => {
  if (!mask || event.button) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  const before = layer();
  before.getContext("2d").drawImage(mask, 0, 0);
  undo.push(before);
  if (undo.length > 12) undo.shift();
  last = null;
  stroke(event);
});
canvas.addEventListener("pointermove", (event) => last && stroke(event));
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (last = null));

const actions = {
  add: () => (adding = true),
  erase: () => (adding = false),
  undo: () => undo.length && (mask = undo.pop()),
  clear: () => {
    if (!mask) return;
    undo.push(mask);
    mask = layer();
  },
  use: () => {
    if (!mask) return;
    const grey = layer();
    const pen = grey.getContext("2d");
    pen.fillRect(0, 0, grey.width, grey.height);
    pen.drawImage(mask, 0, 0);
    trigger("submit", { mask: grey.toDataURL("image/png") });
  },
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button) return;
  actions[button.dataset.do]();
  for (const each of element.querySelectorAll("button[aria-pressed]"))
    each.setAttribute("aria-pressed", String((each.dataset.do === "add") === adding));
  show();
});

watch("value", () => props.value?.photo && open(props.value));
if (props.value?.photo) open(props.value);
