// The page of a workspace: logs its user in and lists the services. A client of the server like any other.
//
// The page is at <server>/<workspace>/, so both follow from its address. Whoever is signed in with this browser is so here,
// too; another token stays in this page's memory: apps are served from the same origin, and could read whatever is stored.
const folder = new URL(".", location.href);
const serverUrl = new URL("..", folder).href.replace(/\/$/, "");
const workspace = decodeURIComponent(folder.pathname.split("/").at(-2));

const element = (id) => document.getElementById(id);
let server = null;

function say(text, isError = false) {
  element("status").textContent = text;
  element("status").classList.toggle("error", isError);
}

/** Runs what a button is for; what goes wrong is told to the user. */
async function attempt(work) {
  const buttons = document.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(String(error?.message ?? error), true);
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** The client library, which a server may have been built without. */
async function library() {
  try {
    return await import("./hypha-rpc-websocket.min.mjs");
  } catch {
    throw new Error("This server does not have the JavaScript client: it was built without it.");
  }
}

async function logIn() {
  const { login } = await library();
  // Opened now, while the browser knows that the user has asked for it.
  const popup = window.open("about:blank", "_blank", "width=480,height=720");
  say("Waiting for you to log in …");
  const show = ({ login_url: url }) => {
    if (popup) popup.location = url;
    else location.assign(url);
  };
  try {
    return await login({ server_url: serverUrl, login_callback: show });
  } finally {
    popup?.close();
  }
}

async function connect(token) {
  const { connectToServer } = await library();
  say("Connecting …");
  await server?.disconnect();
  server = await connectToServer({ server_url: serverUrl, workspace, token });
  element("door").hidden = true;
  element("inside").hidden = false;
  await list();
}

async function list() {
  const services = await server.listServices({ workspace });
  const shown = services.filter((service) => service.type !== "built-in" && !service.id.endsWith(":built-in"));
  element("services").replaceChildren(...shown.map(row));
  element("none").hidden = shown.length > 0;
  say(`Connected as ${server.config.user?.email || server.config.user?.id || "yourself"}.`);
}

/** Everything comes from other programs: it is text, never markup. */
function row(service) {
  const cells = [service.name, service.id, service.type, service.description].map((text) => {
    const cell = document.createElement("td");
    cell.textContent = text ?? "";
    return cell;
  });
  const line = document.createElement("tr");
  line.append(...cells);
  return line;
}

document.title = workspace;
element("workspace").textContent = workspace;
element("login").addEventListener("click", () => attempt(async () => connect(await logIn())));
element("refresh").addEventListener("click", () => attempt(list));
element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => connect(element("token").value.trim()));
});

const cookie = document.cookie.split("; ").find((pair) => pair.startsWith("access_token="));
if (cookie) attempt(() => connect(cookie.slice("access_token=".length)));
