// Lines that open in place. Without script the same links lead to pages of their own.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.why-link");
  if (!link || !window.htmx || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const panel = document.getElementById(link.getAttribute("aria-controls"));
  const open = link.getAttribute("aria-expanded") !== "true";
  link.setAttribute("aria-expanded", String(open));
  panel.hidden = !open;
});

// What could not be fetched in place is asked for as a page.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, (event) => location.assign(event.detail.requestConfig.path));
}
