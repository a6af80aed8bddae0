// The page: a drawing or a picture in, the answer out.

const find = (id) => document.getElementById(id);
const model = JSON.parse(find("model").textContent);
const weights = decodeWeights(find("weights").textContent.trim());
const drawing = find("drawing").getContext("2d", { willReadFrequently: true });
const seen = find("seen").getContext("2d");
const MOST_SIDE = 2560; // pixels; larger pictures are halved, which costs nothing that the network sees

const bars = model.classNames.map((name) => {
  const row = document.createElement("li");
  row.innerHTML = '<span></span><div class="track"><div></div></div><span></span>';
  row.firstChild.textContent = name;
  find("bars").append(row);
  return { bar: row.querySelector(".track div"), text: row.lastChild };
});

const percent = (share) => (share > 0.9995 ? ">99.9%" : `${(100 * share).toFixed(1)}%`);

function show(image, probabilities) {
  const pixels = seen.createImageData(28, 28);
  image.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
  seen.putImageData(pixels, 0, 0);
  bars.forEach(({ bar, text }, i) => {
    const share = probabilities ? probabilities[i] : 0;
    bar.style.width = `${100 * share}%`;
    text.textContent = probabilities ? percent(share) : "";
  });
}

function clear() {
  drawing.fillStyle = "#fff";
  drawing.fillRect(0, 0, 320, 320);
  show(new Uint8ClampedArray(784), null);
  find("label").textContent = "";
  find("note").textContent = "Draw with a finger or the mouse.";
}

/** Reads the one of the prepared images that the network is surest of. */
function answer(images) {
  const answers = images
    .map((image) => ({ image, probabilities: predict(model, weights, image) }))
    .sort((a, b) => maximum(b.probabilities) - maximum(a.probabilities));
  const { image, probabilities } = answers[0];
  if (!image.some((value) => value > 0)) {
    show(image, null);
    find("label").textContent = "";
    find("note").textContent = "There is no ink in the picture.";
    return;
  }
  show(image, probabilities);
  const best = probabilities.indexOf(maximum(probabilities));
  find("label").textContent = model.classNames[best];
  find("note").textContent = `${percent(probabilities[best])} sure`;
}

// Drawing

let last = null;
let timer = 0;

function readDrawing() {
  const { data } = drawing.getImageData(0, 0, 320, 320);
  if (data.some((value) => value < 128)) answer([prepareDrawing(data, 320, 320)]);
}

function draw(event) {
  const box = drawing.canvas.getBoundingClientRect();
  const scale = 320 / box.width;
  const point = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  drawing.strokeStyle = "#000";
  drawing.lineWidth = 22;
  drawing.lineCap = drawing.lineJoin = "round";
  drawing.beginPath();
  drawing.moveTo(...(last || point));
  drawing.lineTo(...point);
  drawing.stroke();
  last = point;
  timer = timer || setTimeout(() => { timer = 0; readDrawing(); }, 150); // milliseconds
}

let isPicture = false;
drawing.canvas.addEventListener("pointerdown", (event) => {
  if (isPicture) clear(); // what is drawn over a picture is hard to read
  isPicture = false;
  drawing.canvas.setPointerCapture(event.pointerId);
  draw(event);
});
drawing.canvas.addEventListener("pointermove", (event) => {
  if (last) (event.getCoalescedEvents ? event.getCoalescedEvents() : [event]).forEach(draw);
});
for (const name of ["pointerup", "pointercancel"]) {
  drawing.canvas.addEventListener(name, () => {
    if (last) readDrawing();
    last = null;
  });
}
find("clear").addEventListener("click", clear);

// Pictures

/** Returns a picture file as pixels, upright and not larger than needed. */
async function load(file) {
  const bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  let [width, height] = [bitmap.width, bitmap.height];
  while (Math.max(width, height) >= 2 * MOST_SIDE) [width, height] = [width >> 1, height >> 1];
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.max(width, 1), height: Math.max(height, 1) });
  const context = canvas.getContext("2d", { colorSpace: "srgb" });
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return { canvas, pixels: context.getImageData(0, 0, canvas.width, canvas.height) };
}

async function read(file) {
  if (!file) return;
  try {
    const { canvas, pixels } = await load(file);
    clear();
    isPicture = true;
    const scale = 320 / Math.max(canvas.width, canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    drawing.imageSmoothingQuality = "high";
    drawing.drawImage(canvas, (320 - width) / 2, (320 - height) / 2, width, height);
    answer(prepare(pixels.data, pixels.height, pixels.width));
  } catch (error) {
    clear();
    find("note").textContent = `${file.name || "This"} is not a picture that this browser can read.`;
  }
}

find("file").addEventListener("change", (event) => { read(event.target.files[0]); event.target.value = ""; });
addEventListener("paste", (event) => read([...event.clipboardData.files][0]));
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  read(event.dataTransfer.files[0]);
});

clear();
