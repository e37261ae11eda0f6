//! Sweeps of trials that nobody trains.

use gridsweep_common::spec::{self, DataSource};
use gridsweep_engine::{NUMERICS, catalogue};
use gridsweep_proto::v1;
use gridsweep_worker::dataset;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// How large a grid is: the product of its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    pub(crate) name: String,
    pub(crate) replicates: u32,
    pub(crate) epochs: u32,
    pub(crate) batch_sizes: u32,
}

impl Grid {
    /// Returns one of at least so many trials.
    pub(crate) fn of(name: &str, trials: u64) -> Grid {
        let replicates = trials.min(1_000);
        let epochs = trials.div_ceil(replicates) as u32;
        Grid { name: name.to_owned(), replicates: replicates as u32, epochs, batch_sizes: 1 }
    }

    pub(crate) fn text(&self) -> String {
        let list = |most: u32| (1..=most).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let mut text = format!("schema = 1\nname = \"s{}\"\n", self.name);
        let _ = writeln!(
            text,
            "[data]\ndataset = {{ format = \"csv\", training = \"training.csv\", test = \"test.csv\", label = \"class\" }}"
        );
        let _ = writeln!(text, "[replicates]\ncount = {}\nseed = 1\n[base]\nhidden = [2]", self.replicates);
        let _ = writeln!(text, "[[study]]\nname = \"s\"\n[study.axes]\nepochs = [{}]", list(self.epochs));
        if self.batch_sizes > 1 {
            let _ = writeln!(text, "batch_size = [{}]", list(self.batch_sizes));
            return text;
        }
        text + "[[study.table]]\nrows = [\"epochs\"]\ncells = [\"validation_loss\"]\n"
    }

    /// Writes the data into a folder; returns what is submitted, and the data's files.
    pub(crate) fn request(&self, folder: &Path) -> (v1::SubmitRequest, Vec<PathBuf>) {
        let text = self.text();
        let sweep = spec::parse(&text, &catalogue()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let data = ["training.csv", "test.csv"].map(|name| {
            let rows: String = (0..8).map(|n| format!("{n},{},{}\n", n * n, n % 2)).collect();
            std::fs::write(folder.join(name), "x,y,class\n".to_owned() + &rows).unwrap();
            folder.join(name)
        });
        let DataSource::Files { format, .. } = &sweep.data.source else { panic!("files are named") };
        let files = dataset::read(format, data.to_vec(), sweep.data.standardize).unwrap();
        let request = v1::SubmitRequest {
            text,
            catalogue: serde_json::to_string(&catalogue()).unwrap(),
            data: Some((&files.manifest).into()),
            numerics: NUMERICS,
            priority: None,
        };
        (request, data.to_vec())
    }
}
