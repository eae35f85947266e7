// Keys with modifiers only: physicians dictate, and a dictated letter must never trigger anything.
"use strict";
document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (event.ctrlKey && event.key === "Enter" && field instanceof HTMLTextAreaElement && field.form) {
    event.preventDefault();
    field.form.requestSubmit();
  }
  const place = event.altKey && !event.ctrlKey ? { b: "findings", u: "sign" }[event.key.toLowerCase()] : undefined;
  const target = place && document.getElementById(place);
  if (target) {
    event.preventDefault();
    target.scrollIntoView();
    target.querySelector("a, button, input:not([type=hidden]), summary")?.focus();
  }
});
