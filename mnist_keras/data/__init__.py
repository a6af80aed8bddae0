"""From a source of labeled images to training batches.

datasets       load_data: finds a known dataset, or reads the user's own
image_data     ImageData: training and test images together
preview        the summary of a dataset: counts, ranges, polarity, duplicates
splits         Split: one type for labeled images, in memory or on disk
catalog        the known datasets: classes, download addresses, published hashes
downloads      fetches the known datasets, checksummed; the only user of TensorFlow Datasets
records        labeled images in a source with random access, for data larger than memory
array_records  opens ArrayRecord files as records
batches        get_batch: which rows a batch or a replica gets, a pure function of (seed, step, row)
windows        the images that the training loop needs in memory for its next steps
pipeline       make_dataset: the same batches as a tf.data.Dataset
augmentation/  random transforms of training images
readers/       one reader for each file format: IDX, NPZ, CSV, folders of pictures and so on
"""
