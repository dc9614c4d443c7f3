//! Files of a run, read and written. A path may lead to anything, so only regular files are opened, without waiting.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
};

/// Longest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// How long [`read_soon`] may take.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// How long all files together may take to be written: a mount may hang.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);

/// Work of a new thread.
pub type Work = Box<dyn FnOnce() + Send>;

/// Content of a regular file of at most 1 MiB; symbolic links are followed.
///
/// # Errors
/// What is wrong with it, in words that follow its name.
pub fn read(path: &Path) -> Result<Vec<u8>, &'static str> {
    let file = open_regular(path, OFlags::RDONLY).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => "does not exist",
        Errno::ACCESS | Errno::PERM => "may not be read",
        Errno::NXIO => "is not a regular file",
        _ => "cannot be read",
    })?;
    let mut content = Vec::new();
    let length = file.take(LIMIT.saturating_add(1)).read_to_end(&mut content);
    match length {
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= LIMIT) => Ok(content),
        Ok(_) => Err("is larger than 1 MiB"),
        Err(_) => Err("cannot be read"),
    }
}

/// [`read`], where it takes no longer than a second: a mount may hang.
pub fn read_soon(path: PathBuf) -> Option<Vec<u8>> {
    let content = Arc::new(Mutex::new(None));
    let shared = Arc::clone(&content);
    let work = move || {
        let read = read(&path).ok();
        if let Ok(mut content) = shared.lock() {
            *content = read;
        }
    };
    within(READ_TIMEOUT, Box::new(work)).ok()?;
    content.lock().ok()?.take()
}

/// Writes regular files, new ones included; returns for each what is wrong with it.
pub fn write(files: Vec<(PathBuf, String)>) -> Vec<Result<(), &'static str>> {
    let count = files.len();
    let results = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&results);
    let work: Work = Box::new(move || {
        for (path, content) in files {
            let result = write_one(&path, &content);
            if let Ok(mut results) = shared.lock() {
                results.push(result);
            }
        }
    });
    let problem = within(WRITE_TIMEOUT, work).err().unwrap_or("the write failed");
    let mut results = results.lock().map(|results| results.clone()).unwrap_or_default();
    results.resize(count, Err(problem));
    results
}

/// Does `work` on a new thread, which is left alone where it takes longer than `limit`.
///
/// # Errors
/// Why the work may not be done.
pub fn within(limit: Duration, work: Work) -> Result<(), &'static str> {
    let Ok(worker) = thread::Builder::new().spawn(work) else {
        return Err("no thread could be started");
    };
    let started = Instant::now();
    while !worker.is_finished() {
        if started.elapsed() >= limit {
            return Err("it took too long");
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn write_one(path: &Path, content: &str) -> Result<(), &'static str> {
    let flags = OFlags::WRONLY | OFlags::CREATE;
    let mut file = open_regular(path, flags).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => "its directory does not exist",
        Errno::ACCESS | Errno::PERM | Errno::ROFS => "permission denied",
        Errno::NXIO | Errno::ISDIR => "it is not a regular file",
        _ => "it cannot be opened",
    })?;
    file.set_len(0)
        .and_then(|()| file.write_all(content.as_bytes()))
        .map_err(|_| "the write failed")
}

/// Opens a regular file; [`Errno::NXIO`] for any other, as for a FIFO without a reader.
fn open_regular(path: &Path, flags: OFlags) -> Result<File, Errno> {
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(open(path, flags, Mode::from_raw_mode(0o666))?);
    let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_regular.then_some(file).ok_or(Errno::NXIO)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        fs,
        os::unix::{fs::symlink, net::UnixListener},
    };

    use rustix::fs::{CWD, FileType, mknodat};
    use tempfile::TempDir;

    use super::*;

    /// Makes a FIFO without a reader or a writer.
    pub(crate) fn fifo(path: &Path) {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
    }

    /// A directory with one path of each kind that is no regular file.
    fn others() -> (TempDir, Vec<PathBuf>) {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fifo(&at("fifo"));
        symlink("fifo", at("link")).expect("a link");
        fs::create_dir(at("directory")).expect("a directory");
        drop(UnixListener::bind(at("socket")).expect("a socket"));
        let mut paths: Vec<_> = ["fifo", "link", "directory", "socket"].map(at).into();
        paths.extend(["/dev/null", "/dev/zero"].map(PathBuf::from));
        (directory, paths)
    }

    #[test]
    fn o11_only_regular_files_up_to_1_mib_are_read() {
        let (directory, others) = others();
        for path in others {
            assert_eq!(read(&path), Err("is not a regular file"), "{}", path.display());
        }
        let at = |name: &str| directory.path().join(name);
        for (length, expected) in [
            (0, Ok(0)),
            (1 << 20, Ok(1 << 20)),
            ((1 << 20) + 1, Err("is larger than 1 MiB")),
        ] {
            fs::write(at("file"), vec![b'a'; length]).expect("a file");
            assert_eq!(read(&at("file")).map(|content| content.len()), expected);
        }
        // A mounted file is a link to a link.
        symlink("file", at("data")).expect("a link");
        symlink("data", at("token")).expect("a link");
        fs::write(at("file"), "content").expect("a file");
        assert_eq!(read(&at("token")).as_deref(), Ok(&b"content"[..]));
        symlink("loop", at("loop")).expect("a link");
        assert_eq!(read(&at("loop")), Err("cannot be read"));
        assert_eq!(read(&at("gone")), Err("does not exist"));
        assert_eq!(read(&at("file/gone")), Err("does not exist"));
    }

    #[test]
    fn o11_only_regular_files_are_written() {
        let (directory, others) = others();
        let count = others.len();
        let results = write(others.into_iter().map(|path| (path, "x".to_owned())).collect());
        assert_eq!(results, vec![Err("it is not a regular file"); count]);
        let at = |name: &str| directory.path().join(name);
        fs::write(at("old"), "longer").expect("a file");
        symlink("old", at("alias")).expect("a link");
        let files = ["alias", "new", "gone/new"].map(|name| (at(name), name.to_owned()));
        assert_eq!(
            write(files.into()),
            [Ok(()), Ok(()), Err("its directory does not exist")]
        );
        let content = |name: &str| fs::read_to_string(at(name)).expect("a file");
        assert_eq!((content("old"), content("new")), ("alias".into(), "new".into()));
    }
}
