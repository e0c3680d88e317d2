// Files of snapshots: bounded reads, writes that notice a full disk, names that appear whole or not
// at all.
//
// Thread-safety: one thread at a time. Errors of everything here: disk_full, io_failed; the
// sentence calls a file by its role ("the rows file"), not by its path.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace gyre::snapshot {

class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // A regular file, read only.
  [[nodiscard]] static Result<File> open(const std::filesystem::path& path, std::string role);
  // Standard input, or whatever else can be read from front to back, by path.
  [[nodiscard]] static Result<File> open_stream(const std::filesystem::path& path,
                                                std::string role);
  [[nodiscard]] static Result<File> standard_input(std::string role);
  // A file without a name, in a directory: it is gone with its last use, even after a crash.
  [[nodiscard]] static Result<File> unnamed(const std::filesystem::path& directory,
                                            std::string role);

  // Bytes read, fewer than asked for only at the end.
  [[nodiscard]] Result<std::size_t> read(std::span<std::byte> out);
  [[nodiscard]] Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> sync();
  [[nodiscard]] Result<std::uint64_t> size() const;

 private:
  friend class OutputFiles;
  File(int descriptor, std::string role) noexcept;
  [[nodiscard]] tl::unexpected<Error> failure(std::string_view verb) const;
  void close() noexcept;

  int descriptor_ = -1;
  std::string role_;
};

// Many small pieces in order, written in large ones. finish() writes what is left.
class BufferedWriter {
 public:
  explicit BufferedWriter(File& file);
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> finish();

 private:
  File& file_;
  std::vector<std::byte> buffer_;
};

// Many small pieces in order, read in large ones, from an offset of the file.
class BufferedReader {
 public:
  explicit BufferedReader(const File& file, std::uint64_t offset = 0);
  // Fills `out`; io_failed if the file ends before.
  [[nodiscard]] Result<void> read(std::span<std::byte> out);

 private:
  const File& file_;
  std::uint64_t offset_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// Files that get their names together once all are whole. Until commit() they have temporary names;
// dropped without it, they are removed, and nothing else in the directory has changed.
class OutputFiles {
 public:
  explicit OutputFiles(std::filesystem::path directory);
  ~OutputFiles();
  OutputFiles(const OutputFiles&) = delete;
  OutputFiles& operator=(const OutputFiles&) = delete;

  // A new empty file that will be called `name`. `mode` as for open(2). The reference stays good
  // for the life of this object.
  [[nodiscard]] Result<File*> create(const std::string& name, const std::string& role,
                                     ::mode_t mode);

  // Makes every file durable, then names them in the order of their creation, then makes the names
  // durable. Never replaces a file that is already there (io_failed). After an error none has its
  // name.
  [[nodiscard]] Result<void> commit();

 private:
  struct Output {
    File file;
    std::filesystem::path partial;
    std::filesystem::path final;
    bool named = false;
  };

  void remove_all() noexcept;

  std::filesystem::path directory_;
  std::vector<std::unique_ptr<Output>> outputs_;
  bool committed_ = false;
};

// A whole file of at most max_bytes.
[[nodiscard]] Result<std::string> read_text(const std::filesystem::path& path,
                                            const std::string& role, std::size_t max_bytes);

}  // namespace gyre::snapshot
