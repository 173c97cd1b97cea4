"use strict";
// Thumbnails; everything is in the page already. Scripts of sections come after this one and may add to `autola`.
const autola = (() => {
  const NOTHING = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
  const jpegs = JSON.parse(document.getElementById("thumbnails").textContent);

  const thumbnail = (place) => place < 0 ? NOTHING : "data:image/jpeg;base64," + jpegs[place];

  for (const image of document.querySelectorAll("img[data-thumbnail]")) {
    image.src = thumbnail(Number(image.dataset.thumbnail));
  }
  // Paper cannot be unfolded: what is folded opens while the page is printed.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const details of opened) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
  return { thumbnail };
})();
