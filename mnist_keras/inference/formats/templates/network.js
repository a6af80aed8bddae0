// The network: plain steps on arrays of shape (height, width, channels), as the Python module `plain` lists them.

/** Returns the bytes that base64 text stands for. */
function decodeBase64(text) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const values = new Uint8Array(128);
  for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;
  const bytes = new Uint8Array((text.replace(/=+$/, "").length * 3) >> 2);
  let place = 0;
  for (let i = 0; place < bytes.length; i += 4) {
    const four = [0, 1, 2, 3].map((k) => values[text.charCodeAt(i + k)] || 0);
    bytes[place++] = (four[0] << 2) | (four[1] >> 4);
    bytes[place++] = (four[1] << 4) | (four[2] >> 2);
    bytes[place++] = (four[2] << 6) | four[3];
  }
  return bytes;
}

/** Returns the weights: of each float32 its upper three bytes are stored. */
function decodeWeights(text) {
  const bytes = decodeBase64(text);
  const bits = new Uint32Array(bytes.length / 3);
  for (let i = 0; i < bits.length; i++) {
    bits[i] = (bytes[3 * i] << 8) | (bytes[3 * i + 1] << 16) | (bytes[3 * i + 2] << 24);
  }
  return new Float32Array(bits.buffer);
}

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/** Calls `visit(input place, window place)` for each pixel under the window of an output pixel. */
function overWindow(step, oy, ox, visit) {
  const [height, width] = step.given;
  for (let wy = 0; wy < step.window[0]; wy++) {
    const y = oy * step.strides[0] - step.padding[0] + wy;
    if (y < 0 || y >= height) continue;
    for (let wx = 0; wx < step.window[1]; wx++) {
      const x = ox * step.strides[1] - step.padding[1] + wx;
      if (x >= 0 && x < width) visit(y * width + x, wy * step.window[1] + wx);
    }
  }
}

/** A convolution; a dense layer is one over an image of a single pixel. */
function weighted(step, input, kernel, bias) {
  const [height, width, outputs] = step.returned;
  const channels = step.given[2];
  const result = new Float32Array(height * width * outputs);
  let out = 0;
  const add = (pixel, place) => {
    for (let i = 0; i < channels; i++) {
      const value = input[pixel * channels + i];
      if (value === 0) continue; // most are, after a ReLU
      const row = (place * channels + i) * outputs;
      for (let o = 0; o < outputs; o++) result[out + o] += value * kernel[row + o];
    }
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, out += outputs) {
      result.set(bias, out);
      overWindow(step, y, x, add);
    }
  }
  return result;
}

function pool(step, input) {
  const [height, width, channels] = step.returned;
  const isMax = step.kind === "max_pool";
  const result = new Float32Array(height * width * channels).fill(isMax ? -Infinity : 0);
  let out = 0;
  const add = (pixel) => {
    for (let c = 0; c < channels; c++) {
      const value = input[pixel * channels + c];
      if (!isMax) result[out + c] += value / product(step.window);
      else if (value > result[out + c]) result[out + c] = value;
    }
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++, out += channels) overWindow(step, y, x, add);
  }
  return result;
}

const activations = {
  linear: (x) => x,
  relu: (x) => x.map((value) => Math.max(value, 0)),
  tanh: (x) => x.map(Math.tanh),
  softmax: (x) => {
    const highest = x.reduce((a, b) => Math.max(a, b));
    const powers = Array.from(x, (value) => Math.exp(value - highest));
    const sum = powers.reduce((a, b) => a + b);
    return Float32Array.from(powers, (value) => value / sum);
  },
};

function runStep(step, input, weights) {
  const take = (key) => weights.subarray(step[key][0], step[key][0] + step[key][1]);
  let result = input;
  if (step.kind === "weighted") result = weighted(step, input, take("kernel"), take("bias"));
  if (step.kind.endsWith("pool")) result = pool(step, input);
  if (step.kind === "affine") {
    const [factor, summand] = [take("kernel"), take("bias")];
    result = input.map((value, i) => value * factor[i % factor.length] + summand[i % factor.length]);
  }
  return activations[step.activation](result);
}

/** Returns the probability of each class: the mean over the branches, which are one for a plain model. */
function predict(model, weights, pixels) {
  const input = Float32Array.from(pixels, (pixel) => pixel * model.scale + model.offset);
  const votes = model.branches.map((steps) => steps.reduce((x, step) => runStep(step, x, weights), input));
  return votes[0].map((_, i) => votes.reduce((sum, vote) => sum + vote[i], 0) / votes.length);
}
