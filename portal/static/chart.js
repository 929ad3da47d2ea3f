// Usage as bars, stacked by quality. All words and figures come formatted from the server: this only draws.
(() => {
  const ORDER = ["measured", "interpolated", "estimated", "substituted"];

  // The style sheet's colours, as the browser computes them from its variables and mixtures.
  const colour = (host, name) => {
    const probe = document.createElement("span");
    probe.className = name;
    host.append(probe);
    const found = getComputedStyle(probe).backgroundColor;
    probe.remove();
    return found;
  };

  // Stacked from the bottom: each layer is drawn to the top of those below it, the highest first.
  const layers = (data) => {
    const tops = [];
    let below = data.labels.map(() => 0);
    for (const quality of ORDER) {
      below = below.map((sum, i) => sum + data.series[quality][i]);
      tops.push({ quality, values: below });
    }
    return tops.filter(({ quality }) => data.series[quality].some((value) => value > 0)).reverse();
  };

  const tooltip = (host, data) => {
    const box = document.createElement("div");
    box.className = "chart-tip";
    box.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(box),
        setCursor: (u) => {
          const i = u.cursor.idx;
          box.hidden = i == null || u.cursor.left < 0;
          if (box.hidden) return;
          box.replaceChildren();
          for (const [tag, words] of [["strong", data.tips[i].quantity], ["span", data.tips[i].when], ["em", data.tips[i].note]]) {
            if (!words) continue;
            const part = document.createElement(tag);
            part.textContent = words;
            box.append(part);
          }
          const x = u.valToPos(i, "x");
          const left = Math.min(Math.max(x - box.offsetWidth / 2, 0), u.over.clientWidth - box.offsetWidth);
          box.style.left = `${left}px`;
        },
      },
    };
  };

  const draw = (host) => {
    const data = JSON.parse(host.dataset.chart);
    const stack = layers(data);
    const bars = uPlot.paths.bars({ size: [0.72, 48], radius: 0.12 });
    const text = colour(host, "chart-ink");
    const grid = { stroke: colour(host, "chart-grid"), width: 1 };
    const font = "12px Inter var, system-ui, sans-serif";
    const options = () => ({
      width: host.clientWidth,
      height: host.clientWidth < 500 ? 220 : 280,
      padding: [12, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: () => [-0.6, data.labels.length - 0.4] },
        y: { range: (u, low, high) => [0, high > 0 ? high * 1.12 : 1] },
      },
      axes: [
        {
          stroke: text, font, grid: { show: false }, ticks: { show: false }, space: data.space,
          splits: (u, axis, min, max, step) => {
            const every = Math.max(1, Math.round(step));
            return data.labels.map((_, i) => i).filter((i) => i % every === 0);
          },
          values: (u, splits) => splits.map((i) => data.labels[i] ?? ""),
        },
        {
          stroke: text, font, grid, ticks: { show: false }, size: 58,
          values: (u, splits) => splits.map((v) => v.toLocaleString(document.documentElement.lang)),
        },
      ],
      series: [{}, ...stack.map(({ quality }) => ({
        label: quality, fill: colour(host, `q-${quality}`), width: 0, paths: bars, points: { show: false },
      }))],
      plugins: [tooltip(host, data)],
    });
    host.replaceChildren();
    const plot = new uPlot(options(), [data.labels.map((_, i) => i), ...stack.map((layer) => layer.values)], host);
    plot.over.addEventListener("click", () => {
      const link = data.links[plot.cursor.idx];
      if (link) location.assign(link);
    });
    host.dataset.drawn = "yes";
    return plot;
  };

  const begin = () => {
    for (const host of document.querySelectorAll(".chart[data-chart]:not([data-drawn])")) {
      let plot = draw(host);
      let width = host.clientWidth;
      new ResizeObserver(() => {
        if (host.clientWidth === width || !host.clientWidth) return;
        width = host.clientWidth;
        plot.setSize({ width, height: width < 500 ? 220 : 280 });
      }).observe(host);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
        plot.destroy();
        plot = draw(host);
      });
    }
  };

  document.addEventListener("DOMContentLoaded", begin);
})();
