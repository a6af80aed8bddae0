// Images and what SciPy and Pillow do with them. An image is {height, width, data}; data holds one number a pixel, or
// three in a picture of colors.

const image = (height, width, data) => ({ height, width, data });

/** Rounds as Python does: halves to the even neighbor. */
function round(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

const map = (of, change) => image(of.height, of.width, Float32Array.from(of.data, change));

/** Swaps rows and columns of an image with one or three numbers a pixel. */
function transpose(of) {
  const channels = of.data.length / (of.height * of.width);
  const data = new of.data.constructor(of.data.length);
  for (let y = 0; y < of.height; y++) {
    for (let x = 0; x < of.width; x++) {
      for (let c = 0; c < channels; c++) {
        data[(x * of.height + y) * channels + c] = of.data[(y * of.width + x) * channels + c];
      }
    }
  }
  return image(of.width, of.height, data);
}

/** Returns a part of an image with one or three numbers a pixel. */
function crop(of, top, bottom, left, right) {
  const channels = of.data.length / (of.height * of.width);
  const [height, width] = [Math.min(bottom, of.height) - top, Math.min(right, of.width) - left];
  const data = new of.data.constructor(height * width * channels);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * of.width + left) * channels;
    data.set(of.data.subarray(start, start + width * channels), y * width * channels);
  }
  return image(height, width, data);
}

/** Returns the numbers of every `step`-th row and column. */
function sample(of, step, stepX = step) {
  const result = [];
  for (let y = 0; y < of.height; y += step) {
    for (let x = 0; x < of.width; x += stepX) result.push(of.data[y * of.width + x]);
  }
  return result;
}

/** Returns a quantile with linear interpolation, as NumPy does. */
function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  const place = q * (sorted.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
}

const median = (values) => quantile(values, 0.5);
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const maximum = (values) => values.reduce((a, b) => (a > b ? a : b), -Infinity);

// Filters. At the border "reflect" repeats d c b a | a b c d | d c b a, "nearest" the last pixel, "zero" is black.

function borderIndex(i, size, mode) {
  if (i >= 0 && i < size) return i;
  if (mode === "zero") return -1;
  if (mode === "nearest") return i < 0 ? 0 : size - 1;
  const period = 2 * size;
  const place = ((i % period) + period) % period;
  return place < size ? place : period - 1 - place;
}

/** Applies `combine` to the numbers under a window that moves along the rows. */
function filterRows(of, before, after, mode, combine) {
  const result = new Float32Array(of.data.length);
  const line = new Float64Array(before + of.width + after);
  for (let y = 0; y < of.height; y++) {
    for (let i = 0; i < line.length; i++) {
      const x = borderIndex(i - before, of.width, mode);
      line[i] = x < 0 ? 0 : of.data[y * of.width + x];
    }
    for (let x = 0; x < of.width; x++) result[y * of.width + x] = combine(line, x, x + before + after + 1);
  }
  return image(of.height, of.width, result);
}

const filterColumns = (of, ...rest) => transpose(filterRows(transpose(of), ...rest));

function highest(line, start, stop) {
  let best = -Infinity;
  for (let i = start; i < stop; i++) if (line[i] > best) best = line[i];
  return best;
}

function lowest(line, start, stop) {
  let best = Infinity;
  for (let i = start; i < stop; i++) if (line[i] < best) best = line[i];
  return best;
}

const reach = (size) => [size >> 1, size - (size >> 1) - 1];
const maxRows = (of, size, mode = "reflect") => filterRows(of, ...reach(size), mode, highest);
const minRows = (of, size, mode = "reflect") => filterRows(of, ...reach(size), mode, lowest);
const maxColumns = (of, size, mode = "reflect") => filterColumns(of, ...reach(size), mode, highest);
const erode = (of, size, mode = "reflect") => {
  const rows = minRows(of, size, mode);
  return filterColumns(rows, ...reach(size), mode, lowest);
};
/** SciPy's gray dilation: the window of the erosion, mirrored. */
const dilate = (of, size, mode = "reflect") => {
  const window = reach(size).reverse();
  return filterColumns(filterRows(of, ...window, mode, highest), ...window, mode, highest);
};

function convolve(of, kernel, mode) {
  const half = (kernel.length - 1) / 2;
  const weigh = (line, start) => kernel.reduce((sum, weight, k) => sum + weight * line[start + k], 0);
  return filterRows(filterColumns(of, half, half, mode, weigh), half, half, mode, weigh);
}

function gaussian(of, sigma, mode) {
  const radius = Math.floor(4 * sigma + 0.5);
  const powers = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-0.5 * ((i - radius) / sigma) ** 2));
  const sum = powers.reduce((a, b) => a + b);
  return convolve(of, powers.map((power) => power / sum), mode);
}

/** Returns the number in the middle of every `step`-th under a square window, the upper one of two. */
function medianFilter(of, size, mode, step = 1) {
  const [before, after] = reach(size);
  const result = new Float32Array(of.data.length);
  const window = new Float32Array(Math.ceil(size / step) ** 2);
  for (let y = 0; y < of.height; y++) {
    for (let x = 0; x < of.width; x++) {
      let count = 0;
      for (let dy = -before; dy <= after; dy += step) {
        const row = borderIndex(y + dy, of.height, mode) * of.width;
        for (let dx = -before; dx <= after; dx += step) window[count++] = of.data[row + borderIndex(x + dx, of.width, mode)];
      }
      result[y * of.width + x] = window.sort()[count >> 1];
    }
  }
  return image(of.height, of.width, result);
}

// Masks: images of 0 and 1.

const CROSS = [[-1, 0], [1, 0], [0, -1], [0, 1]];
const SQUARE = [...CROSS, [-1, -1], [-1, 1], [1, -1], [1, 1]];

/** Sets to `value` each pixel that has a neighbor of that value; outside of the image is 0. */
function grow(mask, value, times) {
  let now = mask;
  for (let time = 0; time < times; time++) {
    const next = now.data.slice();
    for (let y = 0; y < mask.height; y++) {
      for (let x = 0; x < mask.width; x++) {
        const touches = CROSS.some(([dy, dx]) => {
          const isOutside = y + dy < 0 || y + dy >= mask.height || x + dx < 0 || x + dx >= mask.width;
          return (isOutside ? 0 : now.data[(y + dy) * mask.width + x + dx]) === value;
        });
        if (touches) next[y * mask.width + x] = value;
      }
    }
    now = image(mask.height, mask.width, next);
  }
  return now;
}

const dilateMask = (mask, times = 1) => grow(mask, 1, times);
const erodeMask = (mask, times = 1) => grow(mask, 0, times);

/** Numbers the connected parts of a mask from 1, and returns the box of each. */
function label(mask, neighbors) {
  const labels = new Int32Array(mask.data.length);
  const boxes = [];
  for (let start = 0; start < labels.length; start++) {
    if (!mask.data[start] || labels[start]) continue;
    const box = { top: Infinity, bottom: 0, left: Infinity, right: 0 };
    const stack = [start];
    labels[start] = boxes.length + 1;
    while (stack.length) {
      const place = stack.pop();
      const [y, x] = [Math.floor(place / mask.width), place % mask.width];
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      for (const [dy, dx] of neighbors) {
        if (y + dy < 0 || y + dy >= mask.height || x + dx < 0 || x + dx >= mask.width) continue;
        const next = place + dy * mask.width + dx;
        if (mask.data[next] && !labels[next]) {
          labels[next] = boxes.length + 1;
          stack.push(next);
        }
      }
    }
    boxes.push(box);
  }
  return { labels, boxes };
}

/** Returns top, bottom, left and right of a mask's pixels, or null where there is none. */
function boxOf(mask) {
  let box = null;
  mask.data.forEach((value, place) => {
    if (!value) return;
    const [y, x] = [Math.floor(place / mask.width), place % mask.width];
    box = box || { top: y, bottom: y + 1, left: x, right: x + 1 };
    box.bottom = y + 1;
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x + 1);
  });
  return box;
}

function pad(of) {
  const result = image(of.height + 2, of.width + 2, new Float32Array((of.height + 2) * (of.width + 2)));
  of.data.forEach((value, i) => {
    result.data[(Math.floor(i / of.width) + 1) * result.width + (i % of.width) + 1] = value;
  });
  return result;
}

/** Returns the distance of each pixel of a mask to the nearest one outside of it. */
function distances(mask) {
  const { height, width } = mask;
  const far = height + width;
  const inColumn = mask.data.slice(); // how far the nearest zero is, up or down
  for (let i = 0; i < inColumn.length; i++) {
    inColumn[i] = mask.data[i] ? Math.min(far, (i >= width ? inColumn[i - width] : far) + 1) : 0;
  }
  for (let i = inColumn.length - 1 - width; i >= 0; i--) {
    inColumn[i] = Math.min(inColumn[i], inColumn[i + width] + 1);
  }
  const result = new Float32Array(inColumn.length);
  for (let place = 0; place < result.length; place++) {
    const [row, x] = [place - (place % width), place % width];
    let best = inColumn[place] ** 2;
    for (let dx = 1; dx * dx < best; dx++) {
      for (const other of [x - dx, x + dx]) {
        if (other >= 0 && other < width) best = Math.min(best, dx * dx + inColumn[row + other] ** 2);
      }
    }
    result[place] = Math.sqrt(best);
  }
  return image(height, width, result);
}

// Resizing, as Pillow does it: first the rows, then the columns; bytes are rounded after each.

const FILTERS = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (x) => {
    const t = Math.abs(x);
    if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
    return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
  }],
};

function resizeRows(of, width, [support, weigh], extent) {
  const channels = of.data.length / (of.height * of.width);
  const scale = extent / width;
  const stretch = Math.max(scale, 1);
  const isBytes = of.data instanceof Uint8ClampedArray;
  const data = new of.data.constructor(of.height * width * channels);
  for (let x = 0; x < width; x++) {
    const center = (x + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support * stretch + 0.5));
    const stop = Math.min(of.width, Math.trunc(center + support * stretch + 0.5));
    const weights = [];
    for (let i = start; i < stop; i++) weights.push(weigh((i - center + 0.5) / stretch));
    const total = weights.reduce((a, b) => a + b, 0);
    for (let y = 0; y < of.height; y++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = start; i < stop; i++) sum += weights[i - start] * of.data[(y * of.width + i) * channels + c];
        data[(y * width + x) * channels + c] = isBytes ? Math.floor(sum / total + 0.5) : sum / total;
      }
    }
  }
  return image(of.height, width, data);
}

function resize(of, height, width, filter, extent = [of.height, of.width]) {
  let result = of;
  if (width !== of.width || extent[1] !== of.width) result = resizeRows(result, width, FILTERS[filter], extent[1]);
  if (height !== of.height || extent[0] !== of.height) {
    result = transpose(resizeRows(transpose(result), height, FILTERS[filter], extent[0]));
  }
  return result;
}

/** Returns the means of blocks of `factorY` by `factorX` pixels; those at the border may be smaller. */
function reduceBlocks(of, factorY, factorX) {
  const channels = of.data.length / (of.height * of.width);
  const [height, width] = [Math.ceil(of.height / factorY), Math.ceil(of.width / factorX)];
  const data = new of.data.constructor(height * width * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bottom = Math.min(of.height, (y + 1) * factorY);
      const right = Math.min(of.width, (x + 1) * factorX);
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let row = y * factorY; row < bottom; row++) {
          for (let column = x * factorX; column < right; column++) sum += of.data[(row * of.width + column) * channels + c];
        }
        const count = (bottom - y * factorY) * (right - x * factorX);
        data[(y * width + x) * channels + c] = Math.floor(sum / count + 0.5);
      }
    }
  }
  return image(height, width, data);
}
