const isDark = () => {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};
const arms = {dark: [[0x16, 0x16, 0x16], [0xfd, 0x9a, 0x3a], [0x6f, 0xa8, 0xf5]], light: [[0xff, 0xff, 0xff], [0xd9, 0x5f, 0x02], [0x2c, 0x5f, 0xb8]]};
function color(relative) {
  const [zero, raise, lower] = arms[isDark() ? 'dark' : 'light'];
  const v = state.magnitude ? Math.abs(relative) : relative, arm = v < 0 ? lower : raise;
  const t = Math.pow(Math.min(Math.abs(v) || 0, 1), 0.7);
  return zero.map((z, i) => Math.round(z + (arm[i] - z) * t));
}
function textOn(rgb) {  // black or white, whichever contrasts more: at least 4.5 on any background
  const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff';
}
const css = rgb => 'rgb(' + rgb.join(',') + ')';

// A scale from the largest negative to the largest positive value, or of sizes alone, with what the ends mean.
function paintScale(id, top, ends = signs()) {
  const box = $(id), canvas = box.querySelector('canvas'), g = canvas.getContext('2d');
  for (let x = 0; x < canvas.width; ++x) {
    const t = x / (canvas.width - 1);
    g.fillStyle = css(color(state.magnitude ? t : 2 * t - 1));
    g.fillRect(x, 0, 1, canvas.height);
  }
  const [high, low] = ends;
  box.querySelector('.low').textContent = state.magnitude ? '0' : low + ' ' + number(-top, 3);
  box.querySelector('.high').textContent = state.magnitude ? number(top, 3) + ', whatever the sign' : '+' + number(top, 3) + ' ' + high;
}
