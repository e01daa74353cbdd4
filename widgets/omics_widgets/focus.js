// Moves the focus to a part that has just appeared, if the control that had it is gone: whoever uses a keyboard or a
// screen reader goes on from there. A focus that the person has moved elsewhere meanwhile stays where it is.

const PATIENCE_MS = 5000;

const seen = (element) => element.getClientRects().length > 0;

export function lost(active) {
  return !active || active === document.body || active.disabled === true || !seen(active);
}

function render({ model, el }) {
  let frame = 0;
  const follow = () => {
    const until = performance.now() + PATIENCE_MS;
    const page = el.closest(".omics-explore") ?? document;
    const step = () => {
      const target = page.querySelector(model.get("target"));
      if (!target || !seen(target)) {
        if (performance.now() < until) frame = requestAnimationFrame(step);
        return;
      }
      if (!lost(document.activeElement)) return;
      if (target.tabIndex < 0) target.tabIndex = -1;
      target.focus();
    };
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(step);
  };
  model.on("change:asked", follow);
  return () => {
    cancelAnimationFrame(frame);
    model.off("change:asked", follow);
  };
}

export default { render };
