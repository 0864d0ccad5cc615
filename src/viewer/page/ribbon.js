// The picture of layers and tokens.
const columns = position + 1;
function shownTokens() {  // [first, count]
  const count = Math.min(state.range || columns, columns);
  return [Math.max(0, Math.min(state.token - Math.floor(count / 2), columns - count)), count];
}
function paintRibbon() {
  const layers = layerView().layers;
  $('ribbon-section').hidden = !layers;
  if (!layers) return;
  const canvas = $('ribbon'), ratio = window.devicePixelRatio || 1, rowHeight = Math.max(6, Math.min(22, Math.floor(360 / L)));
  const width = canvas.clientWidth || 800, height = rowHeight * L;
  canvas.style.height = height + 'px';
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const [first, count] = shownTokens(), bins = Math.min(count, canvas.width), cell = new Float32Array(bins * L);
  for (let l = 0; l < L; ++l) {
    for (let t = 0; t < count; ++t) {  // a bin shows its strongest token
      const at = l * bins + Math.floor(t * bins / count), v = layers[l * T + first + t];
      if (Math.abs(v) > Math.abs(cell[at])) cell[at] = v;
    }
  }
  const top = peak(cell) || 1, image = new ImageData(bins, L);
  for (let l = 0; l < L; ++l) {
    for (let b = 0; b < bins; ++b) {
      const at = 4 * ((L - 1 - l) * bins + b);  // the last layer on top
      image.data.set(color(cell[l * bins + b] / top), at);
      image.data[at + 3] = 255;
    }
  }
  const small = document.createElement('canvas');
  small.width = bins;
  small.height = L;
  small.getContext('2d').putImageData(image, 0, 0);
  const g = canvas.getContext('2d');
  g.imageSmoothingEnabled = false;
  g.drawImage(small, 0, 0, canvas.width, canvas.height);
  $('shown').textContent = data.item + 's ' + first + ' to ' + (first + count - 1);
  $('ribbon-means').textContent = (layerMethod() === state.method ? '' : 'Method ' + report.methods[layerMethod()].name + '. ') + sentence(layerView().byLayer);
  paintScale('ribbon-scale', top, layerMethod() === state.method ? signs() : data.signs[layerMethod()]);
  paintAxes(first, count, rowHeight);
  if (state.token < columns) {
    g.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--mark');
    g.lineWidth = ratio;
    const w = canvas.width / count, h = canvas.height / L, x = (state.token - first) * w;
    g.strokeRect(x, 0, Math.max(w, 2), canvas.height);
    g.strokeRect(x, (L - 1 - state.layer) * h, Math.max(w, 2), h);
  }
}

// Layers upwards, tokens to the right: their words where there is room, else their numbers.
function paintAxes(first, count, rowHeight) {
  const every = Math.max(1, Math.ceil(14 / rowHeight)), layers = [];
  for (let l = 0; l < L; l += every) {
    const label = make('span', 'layer ' + l);
    label.style.bottom = (l + 0.5) * rowHeight + 'px';
    layers.push(label);
  }
  $('layer-axis').replaceChildren(...layers);
  const width = $('ribbon').clientWidth || 800, cell = width / count, named = cell >= 14, labels = [];
  const step = named ? 1 : [1, 2, 5, 10, 20, 50].flatMap(s => [s, 100 * s, 10000 * s]).sort((a, b) => a - b).find(s => s * cell >= 56) || count;
  for (let t = Math.ceil(first / step) * step; t < first + count; t += step) {
    const label = make('span', named ? names[t].trim() || names[t] : String(t), named ? 'word' : '');
    label.style.left = (t - first + 0.5) * cell + 'px';
    labels.push(label);
  }
  const longest = Math.max(...labels.map(label => label.textContent.length));
  $('token-axis').style.height = named ? Math.min(5.5, 0.5 + 0.5 * longest) + 'rem' : '';
  $('token-axis').replaceChildren(...labels);
  $('axis-name').textContent = named ? '' : data.item + ' number';
}

function pointed(e) {
  const box = $('ribbon').getBoundingClientRect(), [first, count] = shownTokens();
  return [first + Math.floor((e.clientX - box.left) / box.width * count), L - 1 - Math.floor((e.clientY - box.top) / box.height * L)];
}
