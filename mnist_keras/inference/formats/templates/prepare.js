// What makes a picture of a digit look like MNIST's: the Python module `preprocessing`, step by step, in JavaScript.

const SIZE = 28;
const GRAY = [0.299, 0.587, 0.114]; // weights of red, green and blue; ITU-R 601
const DOUBT = 0.3; // with less evidence for a polarity the other one is worth a try

/**
 * Returns pixels in MNIST's form, 28x28 each: one array, or two where it is open which of ink and ground is brighter.
 * `pixels` holds red, green, blue and alpha of each pixel.
 */
function prepare(pixels, height, width) {
  let picture = overGround(pixels, height, width);
  if (isMnistImage(picture)) return [picture.data.filter((_, i) => i % 3 === 0)];
  picture = enlarge(picture);
  const { part, small } = cropPage(picture);
  const { weights, balance } = lookAt(small);
  const polarities = Math.abs(balance) < DOUBT ? [balance >= 0, balance < 0] : [balance >= 0];
  return polarities.map((isLight) => extract(part, small, weights, isLight));
}

/** Returns dark strokes that were drawn on a light ground in MNIST's form; nothing about them is open. */
function prepareDrawing(pixels, height, width) {
  const picture = overGround(pixels, height, width);
  return extract(picture, shrink(picture, 320, 1), GRAY, false);
}

/** Lays a picture on white, or on black where its ink is light. */
function overGround(pixels, height, width) {
  let [light, opaque] = [0, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    light += ((pixels[i] + pixels[i + 1] + pixels[i + 2]) * pixels[i + 3]) / 255;
    opaque += pixels[i + 3] / 255;
  }
  const ground = light > 3 * 127.5 * opaque ? 0 : 255;
  const data = new Uint8ClampedArray(height * width * 3);
  for (let i = 0; i < height * width; i++) {
    const alpha = Math.fround(pixels[4 * i + 3] / 255);
    for (let c = 0; c < 3; c++) data[3 * i + c] = round(ground + (pixels[4 * i + c] - ground) * alpha);
  }
  return image(height, width, data);
}

function borderOf(gray) {
  const { height, width, data } = gray;
  const thick = Math.max(1, Math.floor(Math.min(height, width) / 20));
  const result = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      // a corner is part of two sides
      const times = (y < thick) + (y >= height - thick) + (x < thick) + (x >= width - thick);
      for (let i = 0; i < times; i++) result.push(data[y * width + x]);
    }
  }
  return result;
}

function isMnistImage(picture) {
  if (picture.height !== SIZE || picture.width !== SIZE) return false;
  const gray = image(SIZE, SIZE, picture.data.filter((_, i) => i % 3 === 0));
  if (picture.data.some((value, i) => value !== gray.data[Math.floor(i / 3)])) return false;
  if (maximum(borderOf(gray)) > 64 || maximum(gray.data) < 128) return false;
  let [sum, x, y] = [0, 0, 0];
  gray.data.forEach((value, i) => {
    sum += value;
    x += value * (i % SIZE);
    y += value * Math.floor(i / SIZE);
  });
  const middle = (SIZE - 1) / 2;
  const box = boxOf(map(gray, (value) => value > 32));
  const extent = Math.max(box.bottom - box.top, box.right - box.left);
  const isCentered = Math.max(Math.abs(x / sum - middle), Math.abs(y / sum - middle)) <= 1;
  return isCentered && extent >= 17 && extent <= 22;
}

function enlarge(picture) {
  const side = Math.max(picture.height, picture.width);
  if (side >= 64) return picture;
  const factor = Math.ceil(64 / side);
  return resize(picture, picture.height * factor, picture.width * factor, "bicubic");
}

/** Returns a picture whose longer side is at most `side` pixels; a gap of 1 is fast and rough. */
function shrink(picture, side, gap = 2) {
  const longer = Math.max(picture.height, picture.width);
  if (longer <= side) return picture;
  const scaled = (size) => Math.max(1, round((size * side) / longer));
  const [height, width] = [scaled(picture.height), scaled(picture.width)];
  const factor = (from, to) => Math.max(1, Math.trunc(from / to / gap)); // a quick way over most of it
  const [factorY, factorX] = [factor(picture.height, height), factor(picture.width, width)];
  const reduced = factorY > 1 || factorX > 1 ? reduceBlocks(picture, factorY, factorX) : picture;
  return resize(reduced, height, width, "box", [picture.height / factorY, picture.width / factorX]);
}

const grayOf = (picture, weights) =>
  image(
    picture.height,
    picture.width,
    Float32Array.from({ length: picture.height * picture.width }, (_, i) =>
      weights.reduce((sum, weight, c) => sum + weight * picture.data[3 * i + c], 0)
    )
  );

/** Returns the level that separates values in [0, 255] best into two classes (Otsu, 1979). */
function otsu(values) {
  const histogram = new Float64Array(256);
  for (const value of values) histogram[Math.trunc(Math.min(Math.max(value, 0), 255))] += 1;
  const sumOfAll = histogram.reduce((sum, count, level) => sum + count * level, 0);
  const countOfAll = values.length;
  let [count, sum, best, at] = [0, 0, -1, []];
  for (let level = 0; level < 255; level++) {
    count += histogram[level];
    sum += histogram[level] * level;
    const above = countOfAll - count;
    const between = count && above ? count * above * (sum / count - (sumOfAll - sum) / above) ** 2 : 0;
    if (between > best) [best, at] = [between, []];
    if (between === best) at.push(level);
  }
  return mean(at);
}

/** Returns the inside of a bright page on a dark table, any other picture as it is; and the same at 320 pixels. */
function cropPage(picture) {
  const small = shrink(picture, 320, 1);
  const asItIs = { part: picture, small };
  const tiny = shrink(small, 64);
  const gray = image(tiny.height, tiny.width, new Float64Array(tiny.height * tiny.width));
  gray.data.forEach((_, i) => (gray.data[i] = (tiny.data[3 * i] + tiny.data[3 * i + 1] + tiny.data[3 * i + 2]) / 3));
  const level = otsu(gray.data);
  if (mean(borderOf(gray).map((value) => Number(value > level))) > 0.3) return asItIs;
  const bright = fillHoles(map(gray, (value) => Number(value > level)));
  const shorter = Math.min(gray.height, gray.width);
  const core = erodeMask(bright, Math.max(2, Math.floor(shorter / 8)));
  const count = (mask) => mask.data.reduce((a, b) => a + b, 0);
  if (count(core) < 0.08 * gray.data.length) return asItIs;
  const { labels, boxes } = label(bright, CROSS);
  const cores = boxes.map(() => 0);
  core.data.forEach((value, i) => value && labels[i] && (cores[labels[i] - 1] += 1));
  const largest = cores.indexOf(maximum(cores)) + 1;
  const page = image(gray.height, gray.width, Float32Array.from(labels, (value) => Number(value === largest)));
  const inside = erodeMask(page, 2);
  const edge = erodeMask(page).data.map((value, i) => page.data[i] - value);
  if (count(page) < 0.82 * areaAround(edge, page.width)) return asItIs; // the loop of a light digit
  const [high, low] = [dilate(gray, 3), erode(gray, 3)];
  const steps = [...edge.keys()].filter((i) => edge[i]).map((i) => high.data[i] - low.data[i]);
  const shades = [1, 0].map((side) => mean([...gray.data].filter((_, i) => page.data[i] === side)));
  if (median(steps) < 0.4 * (shades[0] - shades[1])) return asItIs; // the light falls off slowly
  const isWritten = gray.data.some((value, i) => page.data[i] && value <= level);
  const box = boxOf(inside);
  if (!isWritten || !box || box.bottom - box.top < 8 || box.right - box.left < 8) return asItIs;
  const scale = picture.height / gray.height;
  const [top, bottom, left, right] = [box.top, box.bottom, box.left, box.right].map((x) => round(scale * x));
  const part = crop(picture, top, bottom, left, right);
  const shape = crop(inside, box.top, box.bottom, box.left, box.right);
  const isInside = (i) => {
    const y = Math.floor(((Math.floor(i / part.width) + 0.5) * shape.height) / part.height);
    const x = Math.floor((((i % part.width) + 0.5) * shape.width) / part.width);
    return shape.data[y * shape.width + x];
  };
  const places = Array.from({ length: part.height * part.width }, (_, i) => i);
  const paper = places.filter(isInside).filter((_, i) => i % 7 === 0);
  const color = [0, 1, 2].map((c) => Math.trunc(median(paper.map((i) => part.data[3 * i + c]))));
  for (const i of places) if (!isInside(i)) part.data.set(color, 3 * i); // the corners of a turned page
  return { part, small: shrink(part, 320, 1) };
}

/** Returns the area of the smallest rectangle, turned in steps of 5 degrees, around the pixels of an edge. */
function areaAround(edge, width) {
  const places = [...edge.keys()].filter((i) => edge[i]);
  const widths = Array.from({ length: 36 }, (_, step) => {
    const angle = (step * 5 * Math.PI) / 180;
    const along = places.map((i) => Math.floor(i / width) * Math.cos(angle) + (i % width) * Math.sin(angle));
    return 1 + maximum(along) - Math.min(...along);
  });
  return Math.min(...widths.slice(0, 18).map((one, step) => one * widths[step + 18]));
}

function fillHoles(mask) {
  const padded = image(mask.height + 2, mask.width + 2, new Float32Array((mask.height + 2) * (mask.width + 2)).fill(1));
  mask.data.forEach((value, i) => {
    padded.data[(Math.floor(i / mask.width) + 1) * padded.width + (i % mask.width) + 1] = 1 - value;
  });
  const { labels } = label(padded, CROSS);
  const filled = map(padded, (_, i) => Number(labels[i] !== 1));
  return crop(filled, 1, mask.height + 1, 1, mask.width + 1);
}

/** Returns in which mix of colors ink stands out, and whether it is brighter or darker than its ground. */
function lookAt(small) {
  const [stepY, stepX] = [small.height, small.width].map((size) => Math.max(1, Math.floor(size / 64)));
  const spread = (weights) => {
    const samples = sample(grayOf(small, weights), stepY, stepX);
    return quantile(samples, 0.98) - quantile(samples, 0.02);
  };
  const channels = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  const spreads = channels.map(spread);
  const strongest = spreads.indexOf(maximum(spreads));
  const weights = spreads[strongest] > 1.5 * spread(GRAY) ? channels[strongest] : GRAY; // yellow on white, say
  return { weights, balance: inkBalance(grayOf(small, weights)) };
}

/** Returns above 0 if ink is brighter than its ground, below 0 if it is darker; near 0 if unclear. */
function inkBalance(gray) {
  const small = reduceTo(gray, 48);
  const surrounded = reachingClass(small);
  if (surrounded) return surrounded;
  const size = Math.max(3, Math.floor(Math.max(small.height, small.width) / 3));
  const ground = medianFilter(small, size, "nearest", 3);
  let [sum, all] = [0, 0];
  small.data.forEach((value, i) => {
    const cube = Math.fround(value - ground.data[i]) ** 3;
    sum += cube;
    all += Math.abs(cube);
  });
  const level = otsu(gray.data);
  const border = mean(borderOf(gray).map((value) => Math.sign(level - value)));
  return ((2 * sum) / Math.max(all, 1) + border) / 3;
}

/** Returns 1 if one bright stroke reaches all four sides and the ground lies in pieces around it, -1 if a dark one does. */
function reachingClass(gray) {
  const level = otsu(gray.data);
  const isBright = [...gray.data].map((value) => value > level);
  const share = mean(isBright.map(Number));
  if (share === 0 || share === 1) return 0;
  const [light, dark] = [true, false].map((side) => mean([...gray.data].filter((_, i) => isBright[i] === side)));
  const average = mean([...gray.data]);
  const variance = mean([...gray.data].map((value) => (value - average) ** 2));
  const between = share * (1 - share) * (light - dark) ** 2;
  if (between < 0.88 * variance || between === 0) return 0; // not of two levels
  const reaches = [false, true].map((side) => reachesAllSides(map(gray, (_, i) => Number(isBright[i] === side))));
  const border = mean(borderOf(gray).map((value) => Number(value > level)));
  if (!reaches[0] && reaches[1] && border < 0.7) return 1;
  return reaches[0] && !reaches[1] && border > 0.3 ? -1 : 0;
}

function reachesAllSides(mask) {
  const { boxes } = label(mask, SQUARE);
  return boxes.some((b) => b.top === 0 && b.left === 0 && b.bottom === mask.height && b.right === mask.width);
}

/** Returns a gray image of at most about `side` pixels, each the mean of a square. */
function reduceTo(gray, side) {
  const factor = Math.max(1, Math.floor(Math.max(gray.height, gray.width) / side));
  if (factor === 1 || Math.min(gray.height, gray.width) < factor) return gray;
  const [height, width] = [Math.floor(gray.height / factor), Math.floor(gray.width / factor)];
  const data = new Float32Array(height * width);
  for (let y = 0; y < height * factor; y++) {
    for (let x = 0; x < width * factor; x++) {
      const place = Math.floor(y / factor) * width + Math.floor(x / factor);
      data[place] += gray.data[y * gray.width + x] / (factor * factor);
    }
  }
  return image(height, width, data);
}

/** Returns a picture's ink in MNIST's frame; the ink is looked for in `small`, the same picture at 320 pixels. */
function extract(picture, small, weights, isLight) {
  const isCoarse = Math.max(small.height, small.width) < 128; // perhaps enlarged: all edges are soft
  const found = findStrokes(grayOf(small, weights), isLight, isCoarse);
  const box = boxOf(mainComponents(found));
  if (!box) return new Uint8ClampedArray(SIZE * SIZE);
  const part = shrink(cut(picture, box, found), 160);
  return frame(darken(dropSpecks(findStrokes(grayOf(part, weights), isLight, isCoarse))));
}

/** Returns how much ink each pixel holds, in [0, 1], without uneven light, noise, ruled lines and shadows. */
function findStrokes(gray, isLight, isCoarse) {
  const bright = isLight ? gray : map(gray, (value) => 255 - value);
  const ground = groundOf(bright);
  const ink = removeLines(findInk(bright, ground));
  return isCoarse ? ink : dropShadows(ink, bright, ground);
}

/** Returns how much bright ink each pixel holds, in [0, 1], without noise. */
function findInk(gray, ground) {
  let values = map(gray, (value, i) => (value - ground.data[i]) / Math.max(255 - ground.data[i], 64));
  const samples = sample(values, 3);
  const middle = median(samples);
  const noise = 1.4826 * median(samples.map((value) => Math.abs(value - middle)));
  const threshold = Math.min(Math.max(3 * noise, 0.03), 0.25);
  values = map(values, (value) => Math.max(value - threshold, 0));
  const smooth = convolve(values, [1 / 3, 1 / 3, 1 / 3], "reflect");
  const peak = Math.max(quantile(sample(values, 2), 0.995), maximum(smooth.data) / 1.2);
  return map(values, (value) => (peak < 0.08 ? 0 : Math.min(value / peak, 1)));
}

/** Returns the brightness of the ground under bright ink; it follows the edges of shadows. */
function groundOf(gray) {
  const small = reduceTo(gray, 80);
  const size = Math.max(3, Math.floor(Math.max(small.height, small.width) / 3));
  const opened = dilate(erode(medianFilter(small, 3, "reflect"), size, "nearest"), size, "nearest");
  return resize(gaussian(opened, 1.5, "nearest"), gray.height, gray.width, "bilinear");
}

/** Returns ink without the lines of ruled or squared paper. */
function removeLines(values) {
  const mask = map(values, (value) => Number(value > 0.1));
  const level = findLines(mask);
  const upright = transpose(findLines(transpose(mask)));
  let lines = map(level, (value, i) => Number(value || upright.data[i]));
  if (!lines.data.some(Boolean)) return values;
  lines = dilateMask(lines);
  const closed = erode(dilate(map(values, (value, i) => (lines.data[i] ? 0 : value)), 7), 7);
  return map(values, (value, i) => (lines.data[i] ? closed.data[i] : value));
}

/** Returns where level lines are: thin, straight, and from one border to the other. */
function findLines(mask) {
  const { height, width } = mask;
  const lines = image(height, width, new Float32Array(height * width));
  const margin = Math.max(1, round(0.03 * width));
  const has = (from, to) => mask.data.some((value, i) => value && i % width >= from && i % width < to);
  if (!has(0, margin) || !has(width - margin, width)) return lines;
  const thick = Math.max(4, round(0.025 * width));
  const upright = transpose(openRows(transpose(mask), thick + 1));
  const thin = map(mask, (value, i) => Number(value && !upright.data[i]));
  const tall = maxColumns(thin, 3);
  const long = openRows(tall, thick + 1); // without what is left of crossing lines
  const isInside = (i) => i % width >= margin && i % width < width - margin;
  const near = map(tall, (value, i) => (isInside(i) ? long.data[i] : value));
  const runs = openRows(closeRows(near, Math.max(1, Math.floor(width / 6))), Math.max(9, Math.floor(width / 10)));
  const { labels, boxes } = label(joinRuns(runs, mask), SQUARE);
  boxes.forEach((box, index) => {
    const crosses = box.left <= margin && box.right >= width - margin;
    if (!crosses || box.bottom - box.top > 0.1 * width + thick) return;
    labels.forEach((value, i) => value === index + 1 && thin.data[i] && (lines.data[i] = 1));
  });
  return lines;
}

/** Returns where a mask holds runs of at least `size` along its rows. */
function openRows(mask, size) {
  const odd = size | 1; // an odd window has a middle
  return maxRows(minRows(mask, odd, "zero"), odd, "zero");
}

/** Returns a mask with the gaps of less than `gap` in its rows filled. */
function closeRows(mask, gap) {
  const closed = map(mask, (value) => value);
  for (let y = 0; y < mask.height; y++) {
    const row = closed.data.subarray(y * mask.width, (y + 1) * mask.width);
    let last = row.length;
    row.forEach((value, x) => {
      if (!value) return;
      if (x - last <= (gap | 1)) row.fill(1, last, x);
      last = x;
    });
  }
  return closed;
}

/** Returns level runs joined where one goes on behind another with hardly anything but ink between them. */
function joinRuns(runs, mask) {
  const { labels, boxes } = label(runs, SQUARE);
  const rows = Array.from({ length: mask.height }, (_, y) => y);
  const middle = (x, place) => mean(rows.filter((y) => labels[y * mask.width + x] === place));
  const ends = boxes.map((box, i) => [middle(box.left, i + 1), middle(box.right - 1, i + 1)]);
  const tall = maxColumns(mask, 3);
  const joined = map(runs, (value) => value);
  boxes.forEach((left, i) => boxes.forEach((right, k) => {
    const [start, stop, length] = [ends[i][1], ends[k][0], right.left - left.right];
    if (length <= 0 || Math.abs(stop - start) > 2 + 0.04 * length) return;
    const step = length > 1 ? (stop - start) / (length - 1) : 0;
    const places = Array.from({ length }, (_, x) => round(start + step * x) * mask.width + left.right + x);
    if (mean(places.map((place) => tall.data[place])) > 0.8) places.forEach((place) => (joined.data[place] = 1));
  }));
  return joined;
}

/** Returns a mask of the components that make up the digit, without dust and what hangs on the border, unless it is
 * the tip of a stroke beside the rest of the digit; another digit is included. */
function mainComponents(values) {
  const { height, width } = values;
  const { labels, boxes } = label(map(values, (value) => Number(value > 0.3)), SQUARE);
  const [areas, touch] = [boxes.map(() => 0), boxes.map(() => 0)];
  labels.forEach((value, i) => {
    if (!value) return;
    const [y, x] = [Math.floor(i / width), i % width];
    areas[value - 1] += values.data[i];
    touch[value - 1] += (y === 0) + (y === height - 1) + (x === 0) + (x === width - 1);
  });
  const inner = areas.filter((_, i) => !touch[i]);
  const someHang = Math.max(0, maximum(inner)) > 0.15 * maximum(areas);
  const hangs = touch.map((count) => someHang && count > 0);
  const main = areas.reduce((best, area, i) => (!hangs[i] && !(area <= areas[best]) ? i : best), -1);
  const gap = (a, b) =>
    Math.max(a.top - b.bottom, b.top - a.bottom, a.left - b.right, b.left - a.right, 0);
  const extent = (b) => Math.max(b.bottom - b.top, b.right - b.left);
  const isKept = boxes.map(
    (box, i) =>
      areas[i] >= 0.04 * areas[main] &&
      (gap(box, boxes[main]) <= (hangs[i] ? 0.05 : 0.4) * extent(boxes[main]) ||
        (areas[i] >= 0.5 * areas[main] && !hangs[i])) && // another digit
      !(hangs[i] && touch[i] > 0.25 * (box.bottom - box.top + box.right - box.left))
  );
  return image(height, width, Float32Array.from(labels, (value) => Number(value > 0 && isKept[value - 1])));
}

/** Returns the part of the full picture around a box that was found in a smaller copy. */
function cut(picture, box, small) {
  const [scaleY, scaleX] = [picture.height / small.height, picture.width / small.width];
  const margin = 0.25 * Math.max(box.bottom - box.top, box.right - box.left) + 2;
  return crop(
    picture,
    Math.max(0, Math.trunc(scaleY * (box.top - margin))),
    Math.ceil(scaleY * (box.bottom + margin)),
    Math.max(0, Math.trunc(scaleX * (box.left - margin))),
    Math.ceil(scaleX * (box.right + margin))
  );
}

function dropSpecks(values) {
  const near = dilateMask(mainComponents(values), 2);
  return map(values, (value, i) => (near.data[i] ? value : 0));
}

/** Returns ink from 0 to 255, its strokes full; hairlines are widened, which would fade away at 20 pixels. */
function darken(values) {
  const mask = map(values, (value) => Number(value > 0.3));
  const box = boxOf(mask);
  let ink = values;
  if (box) {
    const size = Math.max(box.bottom - box.top, box.right - box.left);
    const distance = distances(pad(mask));
    const around = dilate(distance, 3);
    const ridge = [...distance.data].filter((value, i) => value > 0 && value >= around.data[i]);
    const width = 2 * median(ridge);
    if (width < 0.055 * size) ink = dilateByDisk(values, round((0.055 * size - width) / 2 + 0.5));
  }
  const data = Uint8ClampedArray.from(ink.data, (value) => round(Math.fround(Math.min(Math.fround(value * 1.25), 1) * 255)));
  return image(values.height, values.width, data);
}

function dilateByDisk(values, radius) {
  const offsets = [];
  for (let dy = -radius; dy <= radius; dy++) {
    for (let dx = -radius; dx <= radius; dx++) if (dx * dx + dy * dy <= radius * radius + 1) offsets.push([dy, dx]);
  }
  return map(values, (_, i) => {
    const [y, x] = [Math.floor(i / values.width), i % values.width];
    let best = 0;
    for (const [dy, dx] of offsets) {
      const row = borderIndex(y + dy, values.height, "reflect");
      best = Math.max(best, values.data[row * values.width + borderIndex(x + dx, values.width, "reflect")]);
    }
    return best;
  });
}

/** Puts ink into MNIST's frame: fitted to 20x20 pixels, its center of mass in the middle of 28x28. */
function frame(ink) {
  const framed = new Uint8ClampedArray(SIZE * SIZE);
  const box = boxOf(map(ink, (value) => Number(value > 40)));
  if (!box) return framed;
  const part = crop(ink, box.top, box.bottom, box.left, box.right);
  const scale = 20 / Math.max(part.height, part.width);
  const [height, width] = [part.height, part.width].map((side) => Math.max(1, round(side * scale)));
  const digit = resize(part, height, width, scale < 1 ? "box" : "bilinear");
  let [total, x, y] = [0, 0, 0];
  digit.data.forEach((value, i) => {
    total += value;
    x += value * ((i % width) + 0.5);
    y += value * (Math.floor(i / width) + 0.5);
  });
  const place = (center, side) => Math.min(Math.max(round(SIZE / 2 - center), 0), SIZE - side);
  const left = place(x / Math.max(total, 1), width);
  const top = place(y / Math.max(total, 1), height);
  for (let row = 0; row < height; row++) {
    framed.set(digit.data.subarray(row * width, (row + 1) * width), (top + row) * SIZE + left);
  }
  return framed;
}
