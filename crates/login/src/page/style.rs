//! The style sheet: the system's font, light or dark as the reader has it, contrast of 4.5 to 1 or more, a frame around
//! what has the focus.

/// See the module documentation.
pub(super) const CSS: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #ffffff; --soft: #57606a; --line: #8c959f;
  --accent: #0a5bb5; --on-accent: #ffffff; --bad: #a40e26; --good: #116329; --panel: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #a5afba; --line: #768390;
  --accent: #6cb2ff; --on-accent: #0d1117; --bad: #ff9ba1; --good: #7ee2a0; --panel: #1a2028; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 28rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
.brand { color: var(--soft); margin: 0 0 1rem; }
section, details { margin: 1.25rem 0 0; }
.asker { background: var(--panel); border-left: .3rem solid var(--accent); padding: .75rem 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .75rem; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
label { display: block; margin: .75rem 0 .2rem; }
input { width: 100%; font: inherit; padding: .5rem; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: .3rem; }
button, .button { display: block; width: 100%; margin: 1rem 0 0; padding: .6rem; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; color: var(--on-accent); background: var(--accent);
  border: 1px solid var(--accent); border-radius: .3rem; overflow-wrap: anywhere; }
button.quiet, .button.quiet { color: var(--accent); background: transparent; }
a { color: var(--accent); } summary { cursor: pointer; }
:focus-visible { outline: .2rem solid var(--accent); outline-offset: .15rem; }
.note { padding: .6rem .8rem; border: 2px solid; border-radius: .3rem; }
.bad { color: var(--bad); } .good { color: var(--good); } .hint { color: var(--soft); margin: .25rem 0; }
code { font-size: 1.2rem; letter-spacing: .1em; }
";
