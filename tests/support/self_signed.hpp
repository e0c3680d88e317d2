// A certificate made while a test runs, its own authority.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace gyre {

// Writes a certificate for `names` ("IP:127.0.0.1", "DNS:localhost"), good for an hour, and its
// key, both PEM.
inline void write_self_signed(const std::string& names, const std::string& certificate_file,
                              const std::string& key_file) {
  const auto require = [](bool done) {
    if (!done) throw std::runtime_error("OpenSSL could not make a test certificate");
  };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  X509* const x = certificate.get();
  require(key != nullptr && x != nullptr);
  require(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1);
  require(X509_gmtime_adj(X509_getm_notBefore(x), -3600) != nullptr);
  require(X509_gmtime_adj(X509_getm_notAfter(x), 3600) != nullptr);
  require(X509_set_pubkey(x, key.get()) == 1);
  require(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>("test"), -1, -1,
                                     0) == 1);
  require(X509_set_issuer_name(x, X509_get_subject_name(x)) == 1);
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
  require(extension != nullptr && X509_add_ext(x, extension, -1) == 1);
  X509_EXTENSION_free(extension);
  require(X509_sign(x, key.get(), EVP_sha256()) > 0);

  const auto write = [&](const std::string& path, auto&& writer) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    require(file != nullptr && writer(file) == 1);
    require(std::fclose(file) == 0);
  };
  write(certificate_file, [&](std::FILE* file) { return PEM_write_X509(file, x); });
  write(key_file, [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

}  // namespace gyre
