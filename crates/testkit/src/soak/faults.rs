//! What is done to the line and to the server while the program runs.

use std::io;
use std::process::Output;
use std::time::Duration;

use super::Stage;

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Cuts(u64),
    Freeze(Duration),
    Restart(Duration),
}

impl Stage {
    /// Half of the faults are cuts.
    pub(super) fn draw_fault(&mut self) -> Fault {
        match self.next() % 4 {
            0 | 1 => Fault::Cuts(self.between(1, 4)),
            2 => {
                let (low, high) = self.plan.freeze_seconds;
                Fault::Freeze(Duration::from_secs(self.between(low, high)))
            }
            _ => Fault::Restart(Duration::from_millis(self.between(200, 6000))),
        }
    }

    /// Runs the program and strikes while it is at work.
    pub(super) fn run_under(&mut self, words: &[&str], fault: Fault) -> io::Result<Output> {
        let child = self.command(words, "cache").spawn()?;
        let waiting = std::thread::spawn(move || child.wait_with_output());
        let pause = |stage: &mut Self, low, high| {
            std::thread::sleep(Duration::from_millis(stage.between(low, high)));
        };
        pause(self, 20, 2500);
        match fault {
            Fault::Cuts(count) => {
                for _ in 0..count {
                    self.proxy.cut();
                    pause(self, 100, 2000);
                }
            }
            Fault::Freeze(time) => {
                self.proxy.freeze();
                std::thread::sleep(time);
                self.proxy.thaw();
            }
            Fault::Restart(time) => {
                self.sshd.stop_listening();
                self.proxy.cut();
                std::thread::sleep(time);
                self.sshd.listen()?;
            }
        }
        waiting.join().map_err(|_| io::Error::other("the waiting thread panicked"))?
    }
}
