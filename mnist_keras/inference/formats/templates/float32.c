/* part: window */
typedef struct { /* what a layer takes, what it returns, and how its windows move over what it takes */
  int height, width, channels;
  int out_height, out_width, out_channels;
  int window_height, window_width, stride_y, stride_x, top, left;
} layer;

/* part: weighted */
/* A convolution; a dense layer is one over an image of a single pixel. */
static void weighted(const float *x, float *y, const layer *l, const float *kernel, const float *bias) {
  for (int oy = 0; oy < l->out_height; oy++) {
    for (int ox = 0; ox < l->out_width; ox++, y += l->out_channels) {
      for (int o = 0; o < l->out_channels; o++) y[o] = bias[o];
      for (int wy = 0; wy < l->window_height; wy++) {
        const int iy = oy * l->stride_y - l->top + wy;
        if (iy < 0 || iy >= l->height) continue;
        for (int wx = 0; wx < l->window_width; wx++) {
          const int ix = ox * l->stride_x - l->left + wx;
          if (ix < 0 || ix >= l->width) continue;
          const float *in = x + (iy * l->width + ix) * l->channels;
          const float *k = kernel + (wy * l->window_width + wx) * l->channels * l->out_channels;
          for (int i = 0; i < l->channels; i++, k += l->out_channels) {
            if (in[i] == 0.0f) continue; /* most are, after a ReLU */
            for (int o = 0; o < l->out_channels; o++) y[o] += in[i] * k[o];
          }
        }
      }
    }
  }
}

/* part: max_pool */
static void max_pool(const float *x, float *y, const layer *l) {
  for (int oy = 0; oy < l->out_height; oy++) {
    for (int ox = 0; ox < l->out_width; ox++) {
      for (int c = 0; c < l->channels; c++) {
        float highest = x[(oy * l->stride_y * l->width + ox * l->stride_x) * l->channels + c];
        for (int wy = 0; wy < l->window_height; wy++) {
          for (int wx = 0; wx < l->window_width; wx++) {
            const int row = oy * l->stride_y + wy, column = ox * l->stride_x + wx;
            const float value = x[(row * l->width + column) * l->channels + c];
            if (value > highest) highest = value;
          }
        }
        *y++ = highest;
      }
    }
  }
}

/* part: average_pool */
static void average_pool(const float *x, float *y, const layer *l) {
  for (int oy = 0; oy < l->out_height; oy++) {
    for (int ox = 0; ox < l->out_width; ox++) {
      for (int c = 0; c < l->channels; c++) {
        float sum = 0.0f;
        for (int wy = 0; wy < l->window_height; wy++) {
          for (int wx = 0; wx < l->window_width; wx++) {
            const int row = oy * l->stride_y + wy, column = ox * l->stride_x + wx;
            sum += x[(row * l->width + column) * l->channels + c];
          }
        }
        *y++ = sum / (float)(l->window_height * l->window_width);
      }
    }
  }
}

/* part: affine */
static void affine(float *x, int pixels, int channels, const float *factor, const float *summand) {
  for (int i = 0; i < pixels; i++) {
    for (int c = 0; c < channels; c++, x++) *x = *x * factor[c] + summand[c];
  }
}

/* part: relu */
static void relu(float *x, int size) {
  for (int i = 0; i < size; i++) {
    if (x[i] < 0.0f) x[i] = 0.0f;
  }
}

/* part: tanh */
static void hyperbolic_tangent(float *x, int size) {
  for (int i = 0; i < size; i++) x[i] = tanhf(x[i]);
}

/* part: softmax */
static void softmax(float *x, int size) {
  float highest = x[0], sum = 0.0f;
  for (int i = 1; i < size; i++) {
    if (x[i] > highest) highest = x[i];
  }
  for (int i = 0; i < size; i++) sum += x[i] = expf(x[i] - highest);
  for (int i = 0; i < size; i++) x[i] /= sum;
}
