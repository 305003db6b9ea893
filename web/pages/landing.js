// Puts the address of the server, which is that of the page, into the examples.
const server = new URL(".", location.href).href.replace(/\/$/, "");
for (const place of document.querySelectorAll("[data-server-url]")) place.textContent = server;
