package import FlightRecorder
import Foundation

/// Reads the records that a job has left in a folder.
package enum RecordReader {
  /// Those of the ranks, that of the watch, and a line for each file that is no record.
  package static func read(_ folder: String) -> (records: [FlightRecord], watch: FlightRecord?, problems: [String]) {
    var records: [FlightRecord] = []
    var problems: [String] = []
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for rank in names.compactMap(RecordFolder.rank).sorted() {
      let path = RecordFolder.path(in: folder, rank: rank)
      do throws(RecordError) {
        let record = try read(file: path)
        guard record.rank == rank else { throw RecordError(description: "this is the record of rank \(record.rank)") }
        records.append(record)
      } catch {
        problems.append("\(path): \(error)")
      }
    }
    return (records, try? read(file: RecordFolder.watchPath(in: folder)), problems)
  }

  /// What no record exceeds: what a file claims beyond it is not read.
  private static let largestFile = 8 << 20

  static func read(file path: String) throws(RecordError) -> FlightRecord {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: path),
      attributes[.type] as? FileAttributeType == .typeRegular, let size = attributes[.size] as? Int
    else { throw RecordError(description: "this is no file") }
    guard size <= largestFile else { throw RecordError(description: "\(size) bytes are no record of moe-worker") }
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw RecordError(description: "it cannot be read")
    }
    return try FlightRecord(Array(bytes))
  }

  /// Writes a rank's last record beside the others, unless the rank has kept one there itself.
  static func save(_ bytes: [UInt8], rank: Int, in folder: String) {
    let path = RecordFolder.path(in: folder, rank: rank)
    guard !FileManager.default.fileExists(atPath: path) else { return }
    _ = FileManager.default.createFile(atPath: path, contents: Data(bytes))
  }
}
