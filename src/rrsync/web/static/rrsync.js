// Two small comforts, without which every page works too: a running night renews itself, and a letter has a print button.
"use strict";

const EVERY_MS = 2000;
const UNUSED_MS = 5 * 60 * 1000; // nobody is there: what renews itself would keep them logged in
const SAY_EVERY = 10; // per cent: what is said aloud, so that nobody is talked at all night

let used = Date.now();
for (const deed of ["pointermove", "pointerdown", "keydown", "scroll"]) {
  window.addEventListener(deed, () => (used = Date.now()), { passive: true });
}

function follow(section) {
  const body = section.querySelector("[data-body]");
  const said = section.querySelector("[data-said]");
  let told = -1;
  const says = section.querySelector("[data-says]");
  if (says) says.hidden = false;

  async function renew() {
    if (document.hidden || Date.now() - used > UNUSED_MS) return again();
    try {
      const reply = await fetch(section.dataset.live, { credentials: "same-origin", redirect: "error" });
      if (!reply.ok) return window.location.reload(); // the session ended, or the run did: the page says which
      const fresh = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector(".live-body");
      if (!fresh) return window.location.reload();
      body.replaceChildren(document.adoptNode(fresh));
      const share = Number(fresh.dataset.share);
      if (share - told >= SAY_EVERY || fresh.dataset.state !== "running") {
        told = share;
        said.textContent = fresh.querySelector("#progress-text").textContent;
      }
      if (fresh.dataset.state !== "running") return window.location.reload();
    } catch {
      // The way to the server is gone for a moment: what stands here stays, and is asked for again.
    }
    again();
  }

  function again() {
    window.setTimeout(renew, EVERY_MS);
  }

  again();
}

document.querySelectorAll("[data-live]").forEach(follow);
document.querySelectorAll("[data-print]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
});
