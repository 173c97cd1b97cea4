"use strict";
// The selection of points and the legend of the panels.
(() => {
  const FADED = 0.04, SHOWN = 0.75, MOST = 60, PRINTED = 320;

  // Called by the panels: which images are selected, in words and pictures. Names are set as text, never as HTML.
  autola.select = (indices, data) => {
    const box = document.getElementById("selection");
    const counts = new Map();
    for (const index of indices) counts.set(data.name[index], (counts.get(data.name[index]) || 0) + 1);
    const classes = [...counts].sort((one, other) => other[1] - one[1]).map(([name, count]) => `${name}: ${count}`);
    const sentence = document.createElement("p");
    sentence.textContent = indices.length
      ? `${indices.length} image${indices.length > 1 ? "s" : ""} selected; by class, ${classes.join(", ")}`
      : "No image is selected.";
    const pictures = document.createElement("div");
    for (const index of indices.slice(0, MOST)) {
      if (data.thumbnail[index] < 0) continue;
      const image = document.createElement("img");
      image.src = autola.thumbnail(data.thumbnail[index]);
      image.width = image.height = 40;
      image.alt = data.name[index];
      image.title = `${data.id[index]}, ${data.name[index]}`;
      pictures.append(image);
    }
    box.replaceChildren(sentence, pictures);
  };

  const source = () => Bokeh.documents.map((each) => each.get_model_by_name("images")).find((each) => each);

  const fade = (button) => {
    const points = source();
    if (!points) return;
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    const label = Number(button.dataset.label);
    points.data.alpha = points.data.alpha.map((alpha, index) =>
      points.data.label[index] === label ? (pressed ? SHOWN : FADED) : alpha);
    points.change.emit();
  };

  // With a mouse a drag selects; on a touch screen it scrolls the page until a tool is chosen.
  const ready = () => {
    if (!window.Bokeh || !source()) return void setTimeout(ready, 50);
    if (!matchMedia("(pointer: fine)").matches) return;
    for (const panel of Bokeh.documents.flatMap((each) => each.roots())) {
      panel.toolbar.tools.find((tool) => tool.type === "BoxSelectTool").active = true;
    }
  };
  ready();

  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => fade(button));
  }

  // Two panels stand side by side on paper. They are scaled: drawn again, they would not be ready when the page is.
  const panels = document.querySelectorAll(".panel");
  addEventListener("beforeprint", () => {
    for (const panel of panels) {
      const width = panel.clientWidth;
      panel.style.width = `${width}px`;
      panel.style.zoom = PRINTED / width;
    }
  });
  addEventListener("afterprint", () => {
    for (const panel of panels) panel.style.width = panel.style.zoom = "";
  });
})();
