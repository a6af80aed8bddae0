/* part: window */
typedef struct { /* what a layer takes, what it returns, and how its windows move over what it takes */
  int height, width, channels;
  int out_height, out_width, out_channels;
  int window_height, window_width, stride_y, stride_x, top, left;
} layer;

/* part: weighted */
/* A convolution; a dense layer is one over an image of a single pixel. The numbers that `zero` and `out_zero` are
   subtracted from stand for multiples of a scale; `factor` turns the scale of a channel's sums into that of `y`. */
static void weighted(const int8_t *x, int8_t *y, const layer *l, const int8_t *kernel, const int32_t *bias,
                     const float *factor, int zero, int out_zero, int lowest) {
  int32_t sums[MOST_CHANNELS];
  for (int oy = 0; oy < l->out_height; oy++) {
    for (int ox = 0; ox < l->out_width; ox++) {
      for (int o = 0; o < l->out_channels; o++) sums[o] = bias[o];
      for (int wy = 0; wy < l->window_height; wy++) {
        const int iy = oy * l->stride_y - l->top + wy;
        if (iy < 0 || iy >= l->height) continue;
        for (int wx = 0; wx < l->window_width; wx++) {
          const int ix = ox * l->stride_x - l->left + wx;
          if (ix < 0 || ix >= l->width) continue;
          const int8_t *in = x + (iy * l->width + ix) * l->channels;
          const int8_t *k = kernel + (wy * l->window_width + wx) * l->channels * l->out_channels;
          for (int i = 0; i < l->channels; i++, k += l->out_channels) {
            const int value = in[i] - zero;
            if (value == 0) continue; /* most are, after a ReLU */
            for (int o = 0; o < l->out_channels; o++) sums[o] += value * k[o];
          }
        }
      }
      for (int o = 0; o < l->out_channels; o++) {
        const float scaled = (float)sums[o] * factor[o];
        const float low = (float)(lowest - out_zero), high = (float)(127 - out_zero);
        *y++ = (int8_t)(lrintf(scaled < low ? low : scaled > high ? high : scaled) + out_zero);
      }
    }
  }
}

/* part: max_pool */
static void max_pool(const int8_t *x, int8_t *y, const layer *l) {
  for (int oy = 0; oy < l->out_height; oy++) {
    for (int ox = 0; ox < l->out_width; ox++) {
      for (int c = 0; c < l->channels; c++) {
        int8_t highest = -128;
        for (int wy = 0; wy < l->window_height; wy++) {
          for (int wx = 0; wx < l->window_width; wx++) {
            const int row = oy * l->stride_y + wy, column = ox * l->stride_x + wx;
            const int8_t value = x[(row * l->width + column) * l->channels + c];
            if (value > highest) highest = value;
          }
        }
        *y++ = highest;
      }
    }
  }
}

/* part: average_pool */
static void average_pool(const int8_t *x, int8_t *y, const layer *l) {
  const int count = l->window_height * l->window_width;
  for (int oy = 0; oy < l->out_height; oy++) {
    for (int ox = 0; ox < l->out_width; ox++) {
      for (int c = 0; c < l->channels; c++) {
        int sum = 0;
        for (int wy = 0; wy < l->window_height; wy++) {
          for (int wx = 0; wx < l->window_width; wx++) {
            const int row = oy * l->stride_y + wy, column = ox * l->stride_x + wx;
            sum += x[(row * l->width + column) * l->channels + c];
          }
        }
        *y++ = (int8_t)((sum > 0 ? sum + count / 2 : sum - count / 2) / count);
      }
    }
  }
}

/* part: table */
static void look_up(int8_t *x, int size, const int8_t table[256]) {
  for (int i = 0; i < size; i++) x[i] = table[x[i] + 128];
}

/* part: softmax */
static void add_softmax(const int8_t *x, float *probabilities, int size, float scale) {
  float sum = 0.0f;
  int highest = x[0];
  for (int i = 1; i < size; i++) {
    if (x[i] > highest) highest = x[i];
  }
  for (int i = 0; i < size; i++) sum += expf((float)(x[i] - highest) * scale);
  for (int i = 0; i < size; i++) probabilities[i] += expf((float)(x[i] - highest) * scale) / sum;
}

/* part: add_up */
/* A last dense layer in float32 adds the probabilities of hidden classes up to those of the classes. */
static void add_up(const float *hidden, float *probabilities, int size, int count, const float *kernel,
                   const float *bias) {
  for (int o = 0; o < count; o++) {
    probabilities[o] += bias[o];
    for (int i = 0; i < size; i++) probabilities[o] += hidden[i] * kernel[i * count + o];
  }
}
