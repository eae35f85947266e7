// Keys with modifiers only: physicians dictate, and a dictated letter must never trigger anything.
"use strict";

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.ctrlKey && event.key === "Enter" && field instanceof HTMLTextAreaElement && field.form) {
    event.preventDefault();
    field.form.requestSubmit();
  }
  const place = event.altKey && !event.ctrlKey ? { b: "checklist", u: "sign" }[event.key.toLowerCase()] : undefined;
  const target = place && document.getElementById(place);
  if (target) {
    event.preventDefault();
    target.scrollIntoView();
    target.querySelector("h2")?.focus();
  }
});

// A source opens beside its fact; without the script the link leads to a page of its own.
document.addEventListener("click", async (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-source]") : null;
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const holder = link.closest("dd, .finding, li");
  const shown = holder.querySelector(":scope > .sources");
  if (shown) {
    shown.remove();
    return;
  }
  const answer = await fetch(`${link.href}?part=1`, { credentials: "same-origin" });
  if (!answer.ok) {
    location.assign(link.href);
    return;
  }
  const sources = document.createElement("div");
  sources.className = "sources";
  sources.innerHTML = await answer.text(); // escaped by the server, as every page is
  holder.append(sources);
});

// The section's editor opens where a link leads into it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  const details = target ? target.closest("details") : null;
  if (details) {
    details.open = true;
    target.querySelector("textarea")?.focus();
  }
}
addEventListener("hashchange", openTarget);
openTarget();
document.getElementById("refusal")?.focus();
