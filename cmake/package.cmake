# cpack -G DEB: a Debian package with the program, its models and documents; the libraries it needs are declared as found.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hindscan)
set(CPACK_PACKAGE_CONTACT "The Hindscan authors <hindscan@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "runs, trains and explains recurrent language models")
set(CPACK_PACKAGE_DESCRIPTION "Which earlier words made a language model predict this one?
Hindscan runs, trains and explains state-space and gated-linear recurrent
models on the CPU. A small English model is part of the package.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Only the program: who builds against the library takes the source.
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL program)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
include(CPack)
