import Checkpoints
import FoundationEssentials

/// Finds the text that a user means: files by name, and in folders every text file below them.
///
/// Folders are searched in byte order of their names, so that every host finds the same order. What is not text is passed
/// over in folders: hidden files and folders (`.git`), symbolic links, empty and binary files. A file that is named must
/// be text.
struct CorpusSearch {
  private let files: any FileSystem
  private(set) var found: [CorpusFile] = []
  private var seen: Set<String> = []

  private init(_ files: any FileSystem) { self.files = files }

  /// - Throws: `CorpusError` for a path without text, `CheckpointError` for a file that cannot be read.
  static func find(_ paths: [String], files: any FileSystem) throws -> [CorpusFile] {
    var search = CorpusSearch(files)
    for path in paths { try search.visit(path) }
    return search.found
  }

  private mutating func visit(_ path: String) throws {
    switch try files.kind(of: path) {
    case nil: throw CorpusError(.missing, "\(path): no such file or folder; check --corpus")
    case .other: throw CorpusError(.unusable, "\(path): neither a file nor a folder; give text files to --corpus")
    case .file: try visitFile(path)
    case .directory:
      let before = found.count
      try visitFolder(path)
      guard found.count > before else {
        throw CorpusError(.unusable, "\(path): no text files in this folder; give another to --corpus")
      }
    }
  }

  private mutating func visitFile(_ path: String) throws {
    let file = try CorpusFile(reading: path, files: files)
    guard file.byteCount > 0 else { throw CorpusError(.unusable, "\(path): the file is empty; give text to --corpus") }
    guard !file.isBinary else {
      throw CorpusError(.unusable, "\(path): the file is binary, not text; give text to --corpus")
    }
    add(file)
  }

  private mutating func visitFolder(_ folder: String) throws {
    for name in try files.names(in: folder) where !name.hasPrefix(".") {
      let path = folder.hasSuffix("/") ? folder + name : folder + "/" + name
      guard (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) == nil else { continue }
      switch try files.kind(of: path) {
      case .directory: try visitFolder(path)
      case .file:
        let file = try CorpusFile(reading: path, files: files)
        if file.byteCount > 0 && !file.isBinary { add(file) }
      case .other, nil: continue
      }
    }
  }

  /// A file that is found twice counts once.
  private mutating func add(_ file: CorpusFile) {
    if seen.insert(file.path).inserted { found.append(file) }
  }
}
