// A sheet to draw on, which also takes a photo: dropped, chosen, pasted, or from the camera. Its value is what is read:
// {name, picture, size}, the picture as a data URI, or null where the sheet is blank.
const PEN = 0.062; // of the sheet's height; MNIST's strokes have 0.13 of the digit's
const LIVE = 90; // milliseconds between two readings while drawing
const LONGEST = 1600; // pixels; a larger photo is made smaller before it is sent
const LARGEST = 20_000_000; // bytes of one file; the server refuses more, too
const PAPER = "#ffffff";
const INK = "#1b1f2a";

const canvas = element.querySelector("canvas");
const video = element.querySelector("video");
const hint = element.querySelector(".hint");
const chooser = element.querySelector("input");
const camera = element.querySelector("[data-do=camera]");
const pen = canvas.getContext("2d");
let last = null; // where the pen is while it is down
let photo = false; // whether the sheet shows a photo
let waiting = null; // timer of the next reading
let turn = 0; // of the picture; an answer of the browser that comes late is dropped

function blank() {
  turn += 1;
  photo = false;
  pen.fillStyle = PAPER;
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

function send(value) {
  clearTimeout(waiting);
  waiting = null;
  hint.hidden = value !== null;
  props.value = value;
}

function sendDrawing() {
  send({ name: "The drawing", picture: canvas.toDataURL("image/png") });
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) * canvas.width) / box.width,
    ((event.clientY - box.top) * canvas.height) / box.height,
  ];
}

function line(from, to) {
  pen.strokeStyle = INK;
  pen.lineWidth = PEN * canvas.height;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.isPrimary) return;
  event.preventDefault();
  stopCamera();
  if (photo) blank();
  turn += 1;
  canvas.setPointerCapture(event.pointerId);
  hint.hidden = true;
  last = place(event);
  line(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (last === null || !event.isPrimary) return;
  const steps = event.getCoalescedEvents?.() ?? [];
  for (const step of steps.length ? steps : [event]) {
    const next = place(step);
    line(last, next);
    last = next;
  }
  waiting ??= setTimeout(sendDrawing, LIVE);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (last === null || !event.isPrimary) return;
    last = null;
    sendDrawing();
  });
}

function draw(source, width, height) {
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const [w, h] = [width * scale, height * scale];
  pen.drawImage(source, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
}

function shrink(source, width, height) {
  const small = document.createElement("canvas");
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  small.width = Math.max(1, Math.round(width * scale));
  small.height = Math.max(1, Math.round(height * scale));
  small.getContext("2d").drawImage(source, 0, 0, small.width, small.height);
  return small.toDataURL("image/jpeg", 0.92);
}

function toDataURI(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

async function take(file) {
  stopCamera();
  blank();
  photo = true;
  const mine = turn;
  // What the browser can't show goes to the server as it is: it reads more formats, or says what is wrong.
  const image = await createImageBitmap(file).catch(() => null);
  const isLarge = image && Math.max(image.width, image.height) > LONGEST;
  let picture = "";
  if (isLarge) picture = shrink(image, image.width, image.height);
  else if (file.size <= LARGEST) picture = await toDataURI(file).catch(() => "");
  if (mine !== turn) return;
  if (image) draw(image, image.width, image.height);
  send({ name: file.name || "The picture", picture, size: file.size });
}

function stopCamera() {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
  video.hidden = true;
  camera.textContent = "Camera";
}

async function useCamera() {
  if (video.srcObject) {
    const [width, height] = [video.videoWidth, video.videoHeight];
    if (!width) return; // it has not begun
    blank();
    photo = true;
    draw(video, width, height);
    const picture = shrink(video, width, height);
    stopCamera();
    send({ name: "The photo", picture });
    return;
  }
  try {
    const wish = { video: { facingMode: "environment" } };
    video.srcObject = await navigator.mediaDevices.getUserMedia(wish);
  } catch {
    choose(true); // a phone asks its own camera, also where a page may not
  }
}

video.addEventListener("loadeddata", () => {
  video.hidden = false;
  camera.textContent = "Take the photo";
});

function choose(fromCamera) {
  if (fromCamera) chooser.setAttribute("capture", "environment");
  else chooser.removeAttribute("capture");
  chooser.click();
}

chooser.addEventListener("change", () => {
  if (chooser.files.length) take(chooser.files[0]);
  chooser.value = "";
});
element.querySelector(".tools").addEventListener("click", (event) => {
  const what = event.target.dataset.do;
  if (what === "clear") {
    stopCamera();
    blank();
    send(null);
  } else if (what === "photo") choose(false);
  else if (what === "camera") useCamera();
});
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => {
  if (element.offsetParent !== null && event.clipboardData.files.length) {
    take(event.clipboardData.files[0]);
  }
});

blank();
