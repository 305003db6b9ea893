//! Raw clients that call each other: connections with the messages they may send.

use anyhow::{Context, Result, bail};
use hypha_wire::Value;

use crate::peer::Peer;
use crate::server::{Kind, Server, WORKSPACE};
use crate::socket::{Frame, Output, Socket};
use crate::template::{Template, caller, resolved, session_of};

/// Where a client is, for those that send to it.
#[derive(Debug)]
pub(crate) struct End {
    index: usize,
    name: String,
    /// What goes before a message to it: the relay wants to know the receiver's index.
    prefix: Vec<u8>,
}

/// One client with what it may send.
#[derive(Debug)]
pub(crate) struct Line {
    /// The connection.
    pub(crate) socket: Socket,
    /// A caller's calls, or a service's answer to each caller by index.
    pub(crate) templates: Vec<Template>,
}

impl End {
    /// Client number `index` of a server.
    pub(crate) fn new(server: &Server, index: usize, name: &str) -> End {
        let prefix = match server.kind {
            // There are fewer than 65,536.
            Kind::Relay => (index as u16).to_be_bytes().to_vec(),
            Kind::Ours | Kind::Original => Vec::new(),
        };
        let name = name.to_owned();
        End { index, name, prefix }
    }

    fn address(&self) -> String {
        format!("{WORKSPACE}/{}", self.name)
    }

    /// A call from here of `method` at `to`.
    pub(crate) fn call(&self, to: &End, method: &str, args: Vec<Value>) -> Template {
        Template::call(&to.prefix, &self.address(), &to.address(), method, args)
    }

    /// The answer from here to a call of `to`.
    pub(crate) fn resolve(&self, to: &End, result: Value) -> Template {
        Template::resolve(&to.prefix, &self.address(), &to.address(), result)
    }
}

impl Line {
    /// Connects the client `end`.
    ///
    /// # Errors
    /// If the server refuses.
    pub(crate) async fn open(server: &Server, end: &End, templates: Vec<Template>) -> Result<Line> {
        let socket = match server.kind {
            Kind::Relay => Socket::open(server.address, &format!("/{}", end.index)).await?,
            Kind::Ours | Kind::Original => Peer::join(server, &end.name).await?.socket,
        };
        Ok(Line { socket, templates })
    }

    /// Waits for bytes; the number of answers that came with them. `each` gets the templates and the buffer to send from.
    ///
    /// # Errors
    /// If a call was answered with an error, or the connection is lost.
    pub(crate) async fn answers(
        &mut self,
        mut each: impl FnMut(&mut [Template], &mut Output),
    ) -> Result<usize> {
        self.socket.fill().await?;
        let Socket { input, output, .. } = &mut self.socket;
        let mut count = 0;
        while let Some(frame) = input.next(output)? {
            let Frame::Binary(message) = frame else { continue };
            if resolved(message).is_none() {
                let end = message.len().min(1_000);
                bail!("not an answer: {}", String::from_utf8_lossy(&message[..end]));
            }
            count += 1;
            each(&mut self.templates, output);
        }
        Ok(count)
    }

    /// A service: answers each call, whatever it asks for, until the connection is lost.
    ///
    /// # Errors
    /// When that happens.
    pub(crate) async fn serve(mut self) -> Result<()> {
        loop {
            self.socket.fill().await?;
            let Socket { input, output, .. } = &mut self.socket;
            while let Some(frame) = input.next(output)? {
                let Frame::Binary(message) = frame else { continue };
                let id = session_of(message).context("a call with a session")?;
                let template = caller(&id).and_then(|caller| self.templates.get_mut(caller));
                output.binary(template.context("a caller")?.with(&id));
            }
            self.socket.flush().await?;
        }
    }
}
