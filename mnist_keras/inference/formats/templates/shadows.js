// What drops shadows from a picture's ink: `drop_shadows` of the Python module `ink`, which says what the numbers mean.

/** Returns ink without what is left of shadows, and keeps the strokes on them. */
function dropShadows(ink, bright, ground) {
  const { labels, parts } = findParts(map(ink, (value) => Number(value > 0.3)));
  const isTall = (part) => part.box.bottom - part.box.top > 0.6 * ink.height;
  const isRow = parts.filter(isTall).length > 1; // of digits, in a tight crop
  const found = parts.filter((part) => !(isRow && isTall(part)) && isShadow(part, bright, ground));
  const sure = found.filter((part) => part.sides || isRound(part, ink));
  if (!sure.length) return ink;
  const beside = map(ink, () => 0);
  for (const part of sure) {
    const box = around(part, sideOf(part.box), ink);
    for (let y = box.top; y < box.bottom; y++) beside.data.fill(1, y * ink.width + box.left, y * ink.width + box.right);
  }
  const rest = map(ink, (value) => value);
  for (const part of found.filter((one) => covers(beside, one.box))) {
    const near = around(part, reachOf(part) + 2, ink);
    const of = (whole) => crop(whole, near.top, near.bottom, near.left, near.right);
    const nearby = of(image(ink.height, ink.width, labels));
    const grown = dilateMask(map(nearby, (value) => Number(value === part.label)), 2);
    const own = map(grown, (value, i) => Number(value && (!nearby.data[i] || nearby.data[i] === part.label)));
    const strokes = strokesOn(of(ink), own, of(bright), of(ground));
    own.data.forEach((value, i) => {
      const place = (near.top + Math.floor(i / own.width)) * ink.width + near.left + (i % own.width);
      if (value) rest.data[place] = strokes.data[i];
    });
  }
  return dropDust(rest, beside, maximum(sure.map((part) => quantile(valuesOf(part, ink), 0.9))));
}

/** Tells whether a mask holds every pixel of a box. */
const covers = (mask, box) => crop(mask, box.top, box.bottom, box.left, box.right).data.every(Boolean);

/** Returns ink without the noise beside shadows: small components that are fainter than the shadows' `limit`. */
function dropDust(ink, beside, limit) {
  const { labels, boxes } = label(map(ink, (value) => Number(value > 0.3)), SQUARE);
  const highest = boxes.map(() => 0);
  labels.forEach((value, i) => value && (highest[value - 1] = Math.max(highest[value - 1], ink.data[i])));
  const isDust = boxes.map((box, i) => sideOf(box) < 32 && highest[i] < limit && covers(beside, box));
  return map(ink, (value, i) => (labels[i] && isDust[labels[i] - 1] ? 0 : value));
}

const sideOf = (box) => Math.max(box.bottom - box.top, box.right - box.left);
const reachOf = (part) => Math.max(2, round(0.025 * sideOf(part.box)));
const around = ({ box }, margin, { height, width }) => ({
  top: Math.max(0, box.top - margin),
  bottom: Math.min(height, box.bottom + margin),
  left: Math.max(0, box.left - margin),
  right: Math.min(width, box.right + margin),
});

/** Returns the components that are large enough to be judged, none in noise; and the label of each pixel. */
function findParts(mask) {
  const { height, width } = mask;
  const { labels, boxes } = label(mask, SQUARE);
  const rim = boxes.map(() => 0);
  const places = boxes.map(() => []);
  labels.forEach((value, i) => {
    if (!value) return;
    const [y, x] = [Math.floor(i / width), i % width];
    rim[value - 1] += (y === 0) + (y === height - 1) + (x === 0) + (x === width - 1);
    places[value - 1].push(i);
  });
  const parts = boxes.map((box, i) => {
    const sides = (box.top === 0) + (box.left === 0) + (box.bottom === height) + (box.right === width);
    const share = rim[i] / (box.bottom - box.top + box.right - box.left);
    return { label: i + 1, box, places: places[i], sides, rim: share };
  });
  const large = parts.filter(({ box }) => sideOf(box) >= 32);
  const area = large.reduce((sum, { box }) => sum + (box.bottom - box.top) * (box.right - box.left), 0);
  return { labels, parts: area > 20 * height * width ? [] : large };
}

const valuesOf = (part, of) => part.places.map((i) => of.data[i]);

function isShadow(part, bright, ground) {
  if (part.sides >= 3) return false; // a digit in a tight crop
  if (depthOf(part, bright, ground, 0.5) > 0.6) return false;
  if (part.rim > 0.3) return true;
  return (part.sides > 0 || depthOf(part, bright, ground) < 0.45) && !isSharp(part, bright, ground);
}

/** Tells whether a circle fits into a component that is wider than strokes are. */
function isRound(part, { height, width }) {
  const mask = image(height, width, new Float32Array(height * width));
  for (const i of part.places) mask.data[i] = 1;
  const own = pad(crop(mask, part.box.top, part.box.bottom, part.box.left, part.box.right));
  return 2 * maximum(distances(own).data) > 0.33 * sideOf(part.box);
}

/** Returns a quantile of the share of the ground's light that the pixels of a component take. */
function depthOf(part, bright, ground, q = 0.9) {
  const depth = (i) => (bright.data[i] - ground.data[i]) / Math.max(255 - ground.data[i], 64);
  return quantile(part.places.map(depth), q);
}

/** Tells whether the brightness changes at the edge of a component by most of its height over the ground. */
function isSharp(part, bright, ground) {
  const reach = reachOf(part);
  const near = around(part, reach, bright);
  const mask = image(bright.height, bright.width, new Float32Array(bright.data.length));
  for (const i of part.places) mask.data[i] = 1;
  const own = crop(mask, near.top, near.bottom, near.left, near.right);
  // grown from outside, so that the border of the picture is no edge
  const inside = map(dilateMask(map(own, (value) => 1 - value)), (value) => 1 - value);
  const size = reach | 1;
  const kernel = new Array(size).fill(1 / size);
  const smooth = convolve(crop(bright, near.top, near.bottom, near.left, near.right), kernel, "reflect");
  const [high, low] = [dilate(smooth, 2 * reach + 1), erode(smooth, 2 * reach + 1)];
  const edge = [...own.data.keys()].filter((i) => own.data[i] && !inside.data[i]);
  const height = quantile(part.places.map((i) => bright.data[i] - ground.data[i]), 0.9);
  return median(edge.map((i) => high.data[i] - low.data[i])) >= 0.8 * height;
}

/** Returns the ink of the strokes on a shadow, whose pixels are `own`. */
function strokesOn(ink, own, bright, ground) {
  const places = [...own.data.keys()].filter((i) => own.data[i] && ink.data[i] > 0.3);
  const level = otsu(places.map((i) => 255 * ink.data[i])) / 255;
  const strokes = map(ink, () => 0);
  const shade = places.filter((i) => ink.data[i] <= level);
  if (!shade.length) return strokes;
  const lift = median(shade.map((i) => bright.data[i] - ground.data[i]));
  const below = map(ground, (value) => value + lift);
  const deep = map(ink, (value, i) => Number(own.data[i] && value > Math.max(level, 0.3)));
  const { labels, parts } = findParts(deep);
  const kept = parts.filter(
    (part) => part.rim <= 0.3 && isSharp(part, bright, below) && depthOf(part, bright, below) >= 0.45
  );
  const isKept = new Set(kept.map((part) => part.label));
  const inked = dilateMask(map(ink, (_, i) => Number(isKept.has(labels[i]))), 2);
  const shadow = median(shade.map((i) => ink.data[i]));
  return map(ink, (value, i) => (inked.data[i] ? Math.max(value - shadow, 0) / (1 - shadow) : 0));
}
