# Everything a reader, a student or a developer needs; only Python (3.11 to 3.13) and make must be there.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
PY := $(VENV)/bin/python
# TensorFlow's running commentary on the machine would bury what is said here.
export TF_CPP_MIN_LOG_LEVEL := 3
TEST = $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help book html pdf epub zip slides messages lab test test-all test-rounding bench bench-quick lint constraints address clean
help:
	@echo "make book   build the book and serve it on localhost     (first time about 10 minutes, then seconds;"
	@echo "            its landing page within a minute; a release's at once: make book FROM=marginlab-VERSION.zip)"
	@echo "make html   build the book into _build/html"
	@echo "make pdf    print the book into _build/marginlab.pdf      (needs a Chromium, and no TeX)"
	@echo "make epub   put the book into _build/marginlab.epub, for e-readers (needs a Chromium)"
	@echo "make zip    put the whole book, with PDF, EPUB, slides and notebooks, into _build/marginlab-VERSION.zip"
	@echo "make slides make a deck of each chapter from the book, into _build/slides"
	@echo "make messages       bring the catalogues of the Chinese book up to date, and say what waits"
	@echo "make lab    open the lessons in JupyterLab"
	@echo "make test   run the tests, a sample of each               (15 to 30 minutes)"
	@echo "make test-all       with every parameter, on PyTorch too, and under other rounding (about two hours)"
	@echo "make test-rounding  the numerical tests as other processors round"
	@echo "make bench  measure accuracies, speed and the defaults    (about two hours; make bench-quick: 3 minutes)"
	@echo "make lint   check style, and that no notebook holds outputs"
	@echo "make constraints    write constraints.txt anew, with the newest versions that the ranges allow"
	@echo "make address URL=https://github.com/OWNER/NAME     say where the repository is: links, and buttons for Colab"
	@echo "make clean  remove everything that was built or installed here"

$(PY):
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "marginlab needs Python 3.11 to 3.13, and this is %d.%d: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -m venv $(VENV)

# One stamp a set of extras: installed again only when what they need has changed.
$(VENV)/.%: pyproject.toml constraints.txt | $(PY)
	@echo "Installing marginlab[$*]: about 700 MB, 2 to 5 minutes the first time ..."
	@$(INSTALL) -e '.[$*]'
	@touch $@

html: $(VENV)/.book
	@echo "Building the book: trains the models of every page whose code has changed. The first time about 8 minutes ..."
	@$(PY) book/build.py
	@echo "The book is in _build/html/index.html"

# FROM: a release's zip, or zip for the newest that lies about. Nothing is installed for it.
ifdef FROM
book:
	@$(PYTHON) book/serve.py --port $(PORT) --from "$(FROM)"
else
book: $(VENV)/.book
	@echo "Building the book: trains the models of every page whose code has changed. The first time about 8 minutes ..."
	@$(PY) book/serve.py --port $(PORT)
endif

pdf: $(VENV)/.test,book
	@echo "Building the book as one page: about 8 minutes, or half a minute after 'make html' ..."
	@$(PY) tests/browser.py
	@$(PY) book/build.py --builder singlehtml
	@$(PY) book/pdf.py _build/singlehtml _build/marginlab.pdf

epub: $(VENV)/.test,book html
	@$(PY) tests/browser.py
	@$(PY) book/epub.py _build

zip: html pdf epub slides
	@$(PY) book/zipped.py _build

slides: html
	@$(PY) book/slides.py _build

messages: $(VENV)/.book
	@$(PY) book/chinese.py messages

lab: $(VENV)/.lab
	@echo "Opening JupyterLab on the lessons (Ctrl+C ends it) ..."
	@$(VENV)/bin/jupyter lab lessons

test: $(VENV)/.test,book,lab
	@echo "Running a sample of the tests, two files at a time: 15 to 30 minutes on two cores ..."
	@$(PY) tests/browser.py
	@$(TEST)

# Every parameter, and PyTorch, which is tested wherever it is installed: the bench extra brings it.
test-all: $(VENV)/.test,book,lab,bench test-rounding
	@echo "Running all tests with all their parameters: about an hour on two cores ..."
	@$(PY) tests/browser.py
	@$(TEST) --full --cov=marginlab --cov-report=term

test-rounding: $(VENV)/.test,book,lab
	@echo "Running the numerical tests under five kinds of rounding: about half an hour ..."
	@$(PY) tests/rounding.py

bench: $(VENV)/.test,bench
	@echo "Measuring everything, against peers: about two hours on two quiet cores ..."
	@$(PY) tests/benchmarks/accuracy.py
	@$(PY) tests/benchmarks/fair.py
	@$(PY) tests/benchmarks/controls.py
	@$(PY) tests/benchmarks/strangers.py
	@$(PY) tests/benchmarks/demo.py
	@$(PY) tests/benchmarks/run.py
	@$(PY) tests/benchmarks/explorer.py
	@$(PY) tests/benchmarks/search_defaults.py

bench-quick: $(VENV)/.test,bench
	@$(PY) tests/benchmarks/run.py --quick

lint: $(VENV)/.test,book,lab $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(PY) tests/lint.py $(LINT)
	@git ls-files '*.ipynb' | xargs $(VENV)/bin/nbstripout --keep-id --verify

constraints:
	@rm -rf _build/newest
	@$(PYTHON) -m venv _build/newest
	@_build/newest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test,book,lab,bench,dev]'
	@(echo "# Exact versions, tested together by CI. Written by: make constraints"; \
	  _build/newest/bin/python -m pip freeze --exclude-editable) > constraints.txt
	@git diff --stat constraints.txt

address:
	@$(PYTHON) book/address.py "$(URL)"

clean:
	rm -rf $(VENV) _build .pytest_cache .ruff_cache .hypothesis .coverage
