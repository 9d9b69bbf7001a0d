"""What a user of Keras writes: arguments are the collection, a local file of a network, epochs."""

import sys

import keras

folder, network, epochs = sys.argv[1:]
train, val = keras.utils.image_dataset_from_directory(
    folder, validation_split=0.2, subset="both", seed=1, image_size=(224, 224)
)
backbone = keras.models.load_model(network)
backbone.trainable = False
head = [keras.layers.Dropout(0.2), keras.layers.Dense(len(train.class_names), activation="softmax")]
model = keras.Sequential([backbone, *head])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(train, validation_data=val, epochs=int(epochs))
model.save("model.keras")
